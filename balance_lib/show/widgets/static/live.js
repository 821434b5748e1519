// What a tick of the sliders shows: sentences of what follows, and the map's traits.

export class Live {
  /** board: a Board of tick.js; map: {schools, villages, looks, links, label, link_label}; words: sentences by name. */
  constructor(board, map, words, lang) {
    Object.assign(this, {board, map, words});
    this.format = new Intl.NumberFormat(lang === "zh" ? "zh-CN" : "en");
    this.schoolAt = new Map(map.schools.map((id, i) => [id, i]));
    this.villageAt = new Map(map.villages.map((id, i) => [id, i]));
    this.codes = Object.fromEntries(map.looks.map((look, i) => [look.key, i]));
    this.today = board.tick({});
  }

  say(name, facts) { return this.words[name].replace(/\{(\w+)\}/g, (_, key) => facts[key]); }
  whole(n) { return this.format.format(Math.round(n)); }
  km(m) { return Number.isFinite(m) ? this.format.format(Math.round(m / 100) / 10) : "–"; }

  /** What follows, a sentence each; beyond the radius as against `before`, the tick of nothing done. */
  facts(tick, before = this.today) {
    const rows = [this.say("closed", {n: tick.closed.length}),
      this.say(tick.moved > 0 && !Number.isFinite(tick.extra_m) ? "moved_unknown" : "moved",
        {n: this.whole(tick.moved), m: this.whole(tick.farther)})];
    for (const stage of ["primary", "junior"]) {
      const now = tick.cover[stage], was = before.cover[stage];
      if (!now.unknown || now.walk + now.ride + now.far > 0) {
        rows.push(this.say(stage, {far: this.whole(now.far), was: this.whole(was.far), p90: this.km(now.p90_m),
          max: this.km(now.max_m)}));
      }
      if (now.unknown > 0) rows.push(this.say(`unknown_${stage}`, {n: this.whole(now.unknown)}));
    }
    if (tick.shortfall > 0) rows.push(this.say("shortfall", {n: this.whole(tick.shortfall)}));
    if (!tick.proven) rows.push(this.say("unproven", {}));
    return rows;
  }

  /** The traits of the map: which schools close, who goes where, the radii. `decided`: what else becomes of schools. */
  picture(tick, state, decided = {}) {
    const {board, map} = this, shut = new Set(tick.closed);
    const codes = Uint8Array.from(map.schools, (id) => this.codes[decided[id] ?? (shut.has(id) ? "close" : "as_is")]);
    const radius = ["primary", "junior"].map((stage, s) => state[`walk_${stage}_m`] ?? board.radius_m[s]);
    const lines = new Map();
    for (const flow of tick.flows) {
      if (flow.to < 0) continue;
      const start = flow.village >= 0 ? this.villageAt.get(board.villages[flow.village]) : this.behind(flow.from);
      const end = this.schoolAt.get(board.schools[flow.to]);
      if (start === undefined || end === undefined) continue;
      const line = lines.get(`${start},${end}`) ?? {start, end, pupils: 0, look: 0};
      line.pupils += flow.pupils;
      const broken = flow.over > 0 || (flow.after > radius[+(flow.band === 2)] && flow.pupils > flow.boards);
      line.look = Math.max(line.look, broken ? 2 : +Number.isNaN(flow.after)); // fine, unknown, breaks
      lines.set(`${start},${end}`, line);
    }
    const drawn = [...lines.values()].sort((a, b) => a.look - b.look);
    return {
      legend: map.looks, value_label: map.label, has_values: false, _notes: [], _classes: view(codes),
      link_legend: map.links, link_label: map.link_label,
      _link_pupils: view(Float32Array.from(drawn, (line) => line.pupils)),
      _link_classes: view(Uint8Array.from(drawn, (line) => line.look)),
      _links: view(Uint32Array.from(drawn.flatMap((line) => [line.start, line.end]))),
      radius_km: [...new Set(radius.filter(Number.isFinite).map((m) => Math.round(m) / 1000))],
    };
  }

  /** A link may start at a school: schools are counted behind the villages. */
  behind(j) {
    const i = this.schoolAt.get(this.board.schools[j]);
    return i === undefined ? undefined : i + this.map.villages.length;
  }
}

export function view(values) { return new DataView(values.buffer, values.byteOffset, values.byteLength); }
