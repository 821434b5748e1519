// Answer a slider in the page: the arrays of balance_lib.scenarios.packed, and what a state of the sliders does to them.
// It says the same as balance_lib.scenarios.tick; tests/browser/test_tick.py holds the two against each other.

const TYPES = {f4: Float32Array, f8: Float64Array, u1: Uint8Array, u2: Uint16Array, i4: Int32Array};
const STAGE_OF_BAND = [0, 0, 1];
const STAGES = ["primary", "junior"];

/** Turn {dtype, data} into typed arrays, everywhere in a packed board; data is base64 or a DataView. */
export function unpack(packed) {
  const out = {};
  for (const [name, value] of Object.entries(packed)) {
    out[name] = value && value.dtype ? typed(value) : value;
  }
  return out;
}

function typed({dtype, data}) {
  if (typeof data === "string") return new TYPES[dtype](Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
  return new TYPES[dtype](data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
}

export class Board {
  constructor(data) {
    Object.assign(this, data);
    this.nSchools = this.schools.length;
    this.nVillages = this.villages.length;
    this.nGroups = this.group_school.length;
    this.schoolAt = new Map(this.schools.map((id, j) => [id, j]));
    this.groupStage = Uint8Array.from(this.group_band, (b) => STAGE_OF_BAND[b]);
    this.groupDay = Float64Array.from(this.group_pupils, (n, i) => n - this.group_boarders[i]);
    this.groupMetres = Float64Array.from(this.group_school, (j, i) => this.way(this.group_village[i], j));
    this.groupMinutes = Float64Array.from(this.group_school, (j, i) => this.walk(this.group_village[i], j));
    this.groupPoint = Int32Array.from(this.group_school, (j, i) =>
      this.group_home[i] ? this.group_village[i] : this.nVillages + 1 + j);
    this.orders = new Map();
    this.groupOrder = positions(this.nGroups, (i) => Number.isFinite(this.groupMetres[i]));
    this.groupOrder.sort((a, b) => this.groupMetres[a] - this.groupMetres[b]);
  }

  /** The schools of a village, nearest first: put in order when its children first move, for most never do. */
  nearestFirst(v) {
    if (!this.orders.has(v)) {
      const found = positions(this.nSchools, (j) => Number.isFinite(this.way(v, j)));
      this.orders.set(v, found.sort((a, b) => this.way(v, a) - this.way(v, b)));
    }
    return this.orders.get(v);
  }

  /** Metres from a village to a school; NaN where either is not known. */
  way(v, j) { return j < 0 ? NaN : this.metres[v * this.nSchools + j]; }
  walk(v, j) { return this.#times(this.minutes, v, j); }
  byRoad(v, j) { return this.#times(this.road, v, j); }
  #times(values, v, j) {
    if (j < 0) return NaN;
    return typeof values === "number" ? values * this.way(v, j) : values[v * this.nSchools + j];
  }

  /** The places of each school and band under class caps: as Layout.places of balance_lib.scenarios.layout. */
  places(caps) {
    const {classes, grades, sums, teaches, most} = this, out = new Float64Array(this.nSchools * 3);
    for (let j = 0; j < this.nSchools; j++) {
      for (const b of [0, 1, 2]) {
        const s = STAGE_OF_BAND[b], g = grades[2 * j + s], known = classes[2 * j + s];
        const there = s ? sums[3 * j + 2] : sums[3 * j] + sums[3 * j + 1];
        const n = Number.isNaN(known) ? Math.ceil(there / caps[s]) : known;
        const aGrade = n < g ? n / g : Math.floor(n / g);
        out[3 * j + b] = Math.floor(aGrade * caps[s] * (b === 1 ? g - 3 : 3) + 1e-9) * teaches[3 * j + b];
      }
      const total = out[3 * j] + out[3 * j + 1] + out[3 * j + 2], share = total > most[j] ? most[j] / total : 1;
      for (const b of [0, 1, 2]) out[3 * j + b] = Math.floor(out[3 * j + b] * share);
    }
    return out;
  }

  /** Which schools a state closes. */
  closing(state) {
    const closed = new Set(state.closed ?? []), kept = new Set(state.kept ?? []), least = state.minimum_enrolment ?? 0;
    return Uint8Array.from(this.schools, (id, j) =>
      +(this.may_close[j] && !kept.has(id) && (this.enrolled[j] < least || closed.has(id))));
  }

  /**
   * What a state does.
   * state: minimum_enrolment, closed, kept, walk_primary_m, walk_junior_m, bus_minutes, class_cap_primary,
   * class_cap_junior; what is left out stays.
   * Returns closed (ids), flows [{row, village, from, to, band, pupils, boards, over, before, after}] (positions, -1
   * unknown), cover by stage, loads (schools x bands), moved, farther, extra_m, shortfall, proven; full: the board
   * reckons with places and there are too few near by, so that only the kernel knows who goes where.
   */
  tick(state = {}) { return new Tick(this, state).answer(); }
}

class Tick {
  constructor(board, state) {
    this.board = board;
    this.shut = board.closing(state);
    this.radius = [0, 1].map((s) => state[`walk_${STAGES[s]}_m`] ?? board.radius_m[s] ?? NaN);
    this.bus = state.bus_minutes === undefined ? board.bus_minutes : state.bus_minutes;
    const caps = STAGES.map((stage, s) => state[`class_cap_${stage}`] ?? board.class_cap[s]);
    this.room = board.places(caps).map((n, at) => (this.shut[Math.floor(at / 3)] ? 0 : n));
    this.full = false;
  }

  teaches(j, b) { return board3(this.board.teaches, j, b) && !this.shut[j]; }
  receives(j, b) { return board3(this.board.receives, j, b) && !this.shut[j]; }

  answer() {
    const {board} = this;
    const flows = this.flows().filter((f) => f.from !== f.to).sort((a, b) => this.before(a, b));
    for (const f of flows) {
      f.village = board.group_village[f.row];
      f.before = board.groupMetres[f.row];
      f.after = f.to < 0 ? NaN : board.way(f.village, f.to);
    }
    this.giveBeds(flows);
    const loads = Float64Array.from(board.sums);
    let moved = 0, farther = 0, extra = 0, known = 0, shortfall = 0;
    for (const f of flows) {
      loads[f.from * 3 + f.band] -= f.pupils;
      if (f.to >= 0) loads[f.to * 3 + f.band] += f.pupils;
      moved += f.pupils;
      shortfall += f.over;
      if (f.after > f.before) farther += f.pupils;
      const more = f.after - f.before;
      if (Number.isFinite(more)) { extra += f.pupils * more; known += f.pupils; }
    }
    const cover = this.cover(flows);
    for (const f of flows) if (f.village === board.nVillages) f.village = -1;
    return {
      closed: positions(board.nSchools, (j) => this.shut[j]).map((j) => board.schools[j]),
      flows, cover, loads, moved, farther, extra_m: known ? extra / known : NaN, shortfall, proven: this.proven,
      full: this.full,
    };
  }

  // Who goes where -----------------------------------------------------------------------------------------------------

  flows() {
    const {board} = this;
    const into = this.into();
    const leaves = (i) => {
      const j = board.group_school[i], at = Math.max(j, 0);
      const stays = this.teaches(at, board.group_band[i]) || j < 0;
      return into[i] < 0 && (!stays || (board.rezone && board.sector[at] === 0 && j >= 0 && board.group_home[i]));
    };
    const fixed = positions(board.nGroups, (i) => into[i] >= 0), leaving = positions(board.nGroups, leaves);
    const gone = new Float64Array(this.room.length);
    this.proven = true;
    for (const i of [...fixed, ...leaving]) {
      gone[board.group_school[i] * 3 + board.group_band[i]] += board.group_pupils[i];
      // Of a school whose attendance exceeds its enrolment nobody knows who would move.
      if (board.over[board.group_school[i]]) this.proven = false;
    }
    this.free = this.room.map((n, at) => Math.max(n - (board.sums[at] - gone[at]), 0));
    const flows = fixed.map((i) => this.fixed(i, into[i]));
    for (const stage of [0, 1]) {
      for (const sector of [0, 1, 2]) {
        const rows = leaving.filter((i) =>
          board.groupStage[i] === stage && board.sector[Math.max(board.group_school[i], 0)] === sector);
        if (rows.length) flows.push(...this.nearest(rows, stage, sector));
      }
    }
    return flows;
  }

  flow(row, to, over) {
    const {board} = this;
    return {row, from: board.group_school[row], to, band: board.group_band[row], pupils: board.group_pupils[row],
      boarders: board.group_boarders[row], over};
  }

  fixed(row, to) {
    const {board} = this, at = to * 3 + board.group_band[row], pupils = board.group_pupils[row];
    const over = Math.max(pupils - this.free[at], 0);
    this.free[at] = Math.max(this.free[at] - pupils, 0);
    return this.flow(row, to, over);
  }

  /** Where each group must go: where its school is merged, or a school that opens draws it; else -1. */
  into() {
    const {board} = this, drawn = new Int32Array(board.nGroups).fill(-1);
    for (const zone of board.zones) {
      const left = [0, 1, 2].map((b) => this.room[zone.school * 3 + b]);
      for (const i of zone.rows.filter((row) => drawn[row] < 0)) {
        const band = board.group_band[i], at = Math.max(board.group_school[i], 0);
        if (!zone.whole) {
          if (!(this.teaches(at, band) || board.group_school[i] < 0) || board.group_pupils[i] > left[band]) continue;
          left[band] -= board.group_pupils[i];
        }
        drawn[i] = zone.school;
      }
    }
    return drawn.map((j, i) => (board.group_into[i] >= 0 ? board.group_into[i] : j));
  }

  nearest(rows, stage, sector) {
    const {board} = this, need = new Map(), first = new Map(), found = new Map();
    // Where places are reckoned with, a village may be split: each of its groups goes its own way.
    const whole = (i) => (board.with_places ? -1 - i : board.groupPoint[i]);
    for (const i of rows) {
      const p = whole(i);
      need.set(p, (need.get(p) ?? 0) | (1 << board.group_band[i]));
      if (!first.has(p)) first.set(p, i);
    }
    for (const [p, bits] of need) found.set(p, this.nearestOf(first.get(p), bits, stage, sector));
    const load = new Float64Array(this.room.length);
    for (const i of rows) {
      const to = found.get(whole(i));
      if (to >= 0) load[to * 3 + board.group_band[i]] += board.group_pupils[i];
    }
    const short = load.map((n, at) => Math.max(n - this.free[at], 0));
    if (short.some((n) => !(n <= 1e-9))) {
      this.full = board.with_places;
      this.proven &&= board.with_places;
    }
    // Of a school without places enough every group is over by the same share: who, only the evaluation says.
    const flows = rows.map((i) => {
      const to = found.get(whole(i)), at = to * 3 + board.group_band[i], pupils = board.group_pupils[i];
      return this.flow(i, to, to < 0 ? pupils : pupils * (load[at] > 0 ? short[at] / load[at] : 0));
    });
    this.free = this.free.map((n, at) => Math.max(n - load[at], 0));
    return flows;
  }

  /** The nearest school that takes in the bands of a group's point; -1 where none does. */
  nearestOf(i, bits, stage, sector) {
    const {board} = this, bands = [0, 1, 2], from = board.group_school[i];
    // A group by itself is where its village is, even one whose school stands for its home.
    const p = board.with_places ? board.group_village[i] : board.groupPoint[i];
    const open = (j) => board.allowed[sector * board.nSchools + j] && !this.shut[j];
    const takesAll = (j) => bands.every((b) => !((bits >> b) & 1) || this.receives(j, b));
    const takesStage = (j) => (stage === 1 ? this.receives(j, 2) : this.receives(j, 0) || this.receives(j, 1));
    let seen = false;
    if (p < board.nVillages) {
      for (const j of board.nearestFirst(p)) {
        if (!open(j) || !(board.with_places ? takesAll(j) : takesStage(j))) continue;
        seen = true;
        if (takesAll(j)) return j;
      }
    }
    if (seen) return -1;
    for (let k = 0; k < board.nSchools; k++) {
      const j = board.school_order[from * board.nSchools + k];
      if (open(j) && takesAll(j)) return j;
    }
    return -1;
  }

  /** The order of the tables: village, schools, junior before primary, band. */
  before(a, b) {
    const {board} = this, rank = (j) => (j < 0 ? -1 : board.rank[j]);
    return board.group_name[a.row] - board.group_name[b.row] || rank(a.from) - rank(b.from) || rank(a.to) - rank(b.to)
      || board.groupStage[b.row] - board.groupStage[a.row] || a.band - b.band;
  }

  // How they get there -------------------------------------------------------------------------------------------------

  ride(v, j) {
    const {board} = this;
    if (j < 0) return NaN;
    const line = board.lines ? board.lines[v * board.nSchools + j] : NaN;
    if (this.bus === null) return line;
    const minutes = board.byRoad(v, j) / (board.bus_kph * 1000 / 60);
    const bus = minutes <= this.bus ? minutes : NaN;
    return Number.isNaN(line) ? bus : Number.isNaN(bus) ? line : Math.min(line, bus);
  }

  giveBeds(flows) {
    const {board} = this, gone = new Float64Array(board.nSchools);
    const wish = flows.map((f) => {
      f.boards = 0;
      gone[f.from] += f.boarders;
      if (!board.may_board[f.band]) return 0;
      const unknown = !Number.isFinite(f.after), walks = f.after <= this.radius[STAGE_OF_BAND[f.band]];
      const rides = !walks && !unknown && Number.isFinite(this.ride(f.village, f.to));
      return !walks && !rides && !unknown ? f.pupils : rides || unknown ? f.boarders : 0;
    });
    const free = board.beds.map((n, j) => Math.max(n - (board.beds_used[j] - gone[j]), 0));
    const far = (f) => (Number.isFinite(f.after) ? f.after : 0);
    const order = positions(flows.length, () => true)
      .sort((a, b) => flows[b].boarders - flows[a].boarders || far(flows[b]) - far(flows[a]));
    for (const i of order) {
      const f = flows[i];
      if (!(wish[i] > 0) || f.to < 0) continue;
      f.boards = Math.min(wish[i], free[f.to]);
      free[f.to] -= f.boards;
    }
  }

  cover(flows) {
    const {board} = this, day = board.groupDay.slice(), home = board.group_boarders.slice();
    for (const f of flows) {
      day[f.row] -= f.pupils - f.boarders;
      home[f.row] -= f.boarders;
    }
    const sums = STAGES.map(() => ({pupils: 0, walk: 0, ride: 0, board: 0, far: 0, unknown: 0, metres: 0, max_m: NaN,
      young_over: 0}));
    for (let i = 0; i < board.nGroups; i++) {
      const v = board.group_village[i], j = board.group_school[i];
      this.count(sums[board.groupStage[i]], board.groupStage[i], board.group_band[i], day[i], home[i],
        board.groupMetres[i], board.groupMinutes[i], this.ride(v, j));
    }
    for (const f of flows.filter((each) => each.to >= 0)) {
      const s = STAGE_OF_BAND[f.band];
      this.count(sums[s], s, f.band, f.pupils - f.boards, f.boards, f.after, board.walk(f.village, f.to),
        this.ride(f.village, f.to));
    }
    const moved = flows.filter((f) => f.to >= 0 && Number.isFinite(f.after) && f.pupils - f.boards > 0);
    moved.sort((a, b) => a.after - b.after);
    return Object.fromEntries(STAGES.map((name, s) => {
      const {metres, ...row} = sums[s], known = row.walk + row.ride + row.far;
      return [name, {...row, mean_m: known > 0 ? metres / known : NaN, p90_m: this.quantile(s, day, moved, known, 0.9),
        within_share: known > 0 ? row.walk / known : NaN}];
    }));
  }

  count(sum, s, band, day, boarders, metres, minutes, ride) {
    sum.pupils += day + boarders;
    sum.board += boarders;
    const known = Number.isFinite(metres), walks = metres <= this.radius[s];
    const rides = Number.isFinite(ride) && known && !walks;
    sum[walks ? "walk" : !known ? "unknown" : rides ? "ride" : "far"] += day;
    if (known && day > 0) {
      sum.metres += metres * day;
      if (!(sum.max_m >= metres)) sum.max_m = metres;
    }
    if (band === 0 && day > 0 && (rides ? ride : minutes) > this.board.young_minutes) sum.young_over += day;
  }

  /** The way that a share of a stage's day pupils do not exceed: the longest are taken off first. */
  quantile(s, day, moved, total, share) {
    const {board} = this;
    let left = total, a = board.groupOrder.length - 1, b = moved.length - 1;
    for (;;) {
      while (a >= 0 && !(board.groupStage[board.groupOrder[a]] === s && day[board.groupOrder[a]] > 0)) a--;
      while (b >= 0 && STAGE_OF_BAND[moved[b].band] !== s) b--;
      if (a < 0 && b < 0) return NaN;
      const i = board.groupOrder[a];
      let way;
      if (b < 0 || (a >= 0 && board.groupMetres[i] >= moved[b].after)) {
        way = board.groupMetres[i];
        left -= day[i];
        a--;
      } else {
        way = moved[b].after;
        left -= moved[b].pupils - moved[b].boards;
        b--;
      }
      if (left < share * total) return way;
    }
  }
}

function board3(flags, j, b) { return flags[j * 3 + b] === 1; }

function positions(n, test) {
  const out = [];
  for (let i = 0; i < n; i++) if (test(i)) out.push(i);
  return out;
}
