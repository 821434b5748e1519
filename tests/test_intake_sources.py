"""The shipped mappings of national lists, each on a small file of that list's shape with made-up schools."""
# ruff: noqa: E501 - headers of real lists are long

from __future__ import annotations

import json
from pathlib import Path

import pytest

from balance_lib.data.intake.bring import bring_in
from balance_lib.data.intake.mapping import ColumnMapping, examples
from balance_lib.data.intake.xlsx import SourceFile

GIAS = (
    "URN,LA (name),EstablishmentName,EstablishmentStatus (name),PhaseOfEducation (name),NumberOfPupils,Easting,Northing,"
    "DistrictAdministrative (name),UrbanRural (name),Boarders (name),HeadFirstName,TelephoneNum\n"
    "1,X,St Ann’s,Open,Primary,210,400000,300000,D,(England/Wales) Rural village,No boarders,Jo,020\n"
    "2,X,Old,Closed,Primary,9,400000,300000,D,,,Jo,020\n3,X,High,Open,Secondary,800,401000,300500,D,,Boarding school,Al,021\n"
)
CCD = {
    "ccd_sch_029_2223.csv": "NCESSCH,SCH_NAME,LEA_NAME,LEVEL,LCITY,PHONE\n01,Elm,D,Elementary,E,1\n02,Oak,D,Middle,E,2\n03,Adult,D,Other,E,3\n",
    "ccd_sch_052_2223.csv": "NCESSCH,GRADE,STUDENT_COUNT,TOTAL_INDICATOR\n01,Grade 1,50,Category Set A\n01,No Category Codes,300,Education Unit Total\n"
    "02,No Category Codes,-1,Education Unit Total\n",
    "EDGE_GEOCODE_PUBLICSCH_2223.csv": "NCESSCH,NAME,LAT,LON\n01,Elm,33.5,-86.2\n02,Oak,33.6,-86.3\n",
}
INEP = {
    "microdados_ed_basica_2023.csv": "NU_ANO_CENSO;CO_ENTIDADE;NO_ENTIDADE;NO_DISTRITO;TP_DEPENDENCIA;TP_LOCALIZACAO;QT_MAT_FUND_AI;QT_MAT_FUND_AF;"
    "QT_TUR_FUND_AI;QT_TUR_FUND_AF;QT_DOC_FUND_AI;QT_DOC_FUND_AF\n2023;11;Escola São João;Sede;3;2;120;80;6;4;7;9\n2023;12;Escola B;Sede;2;1;30;;2;;2;\n",
    "catalogo.csv": "Código INEP;Latitude;Longitude\n11;-15.5;-47.9\n12;-15.6;-47.8\n",
}
HEADS = [f"c{grade}_{sex}" for grade in range(1, 13) for sex in "bg"]
UDISE = {
    "100_prof1.csv": "pseudocode,school_name,school_category,block,rural_urban,longitude,latitude\n5,Govt PS,1,B,1,77.1,28.6\n6,UPS,2,B,2,77.2,28.7\n7,Hr Sec only,10,B,2,77,28\n",
    "100_enr1.csv": f"pseudocode,item_group,item_id,{','.join(HEADS)}\n"
    + "".join(f"{code},{group},{item},{','.join('1' if i < n else '0' for i in range(24))}\n"
              for code, group, item, n in ((5, 1, 1, 10), (5, 1, 2, 10), (5, 2, 1, 10), (6, 1, 1, 16))),
}  # fmt: skip
DEPED = (
    "School ID,School Name,Municipality,Sector,Modified Curricular Offering Classification,Longitude,Latitude,Elementary Enrolment,JHS Enrolment,School Head Name\n"
    "101,A ES,M,Public,Purely ES,121.1,14.6,300,,X\n102,B IS,M,Public,ES and JHS,121.2,14.7,200,150,Y\n"
)
DAPODIK = (
    "NPSN,Nama Sekolah,Bentuk Pendidikan,Status Sekolah,Kecamatan,Lintang,Bujur,Peserta Didik,Rombel,Guru,Nomor Telepon\n"
    "201,SDN 1,SD,Negeri,K,-7.1,110.2,180,6,9,08\n202,SMP 1,SMP,Swasta,K,-7.2,110.3,240,8,15,08\n203,TK,TK,Swasta,K,-7,110,20,1,2,08\n"
)
ESCALE = (
    "COD_MOD,CEN_EDU,D_NIV_MOD,D_DIST,D_GESTION,NLAT_IE,NLONG_IE,TALUMNO,TDOCENTE,TSECCION\n"
    "0301,San José,Primaria,Lima,Pública de gestión directa,-12.1,-77.03,90,5,6\n0301,San José,Primaria,Lima,Pública de gestión directa,-12.1,-77.03,30,2,2\n"
    "0302,Colegio,Secundaria,Lima,Privada,-12.2,-77.04,200,12,8\n0303,Inicial,Inicial - Jardín,Lima,Privada,-12,-77,20,1,1\n"
)
P29 = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [139.7 + i / 100, 35.6]},
         "properties": {"P29_001": "13101", "P29_002": f"B1{i}", "P29_003": kind, "P29_004": f"学校{i}", "P29_005": "x", "P29_006": 3}}
        for i, kind in enumerate((16001, 16002, 16001, 16004))
    ],
}  # fmt: skip
KENYA = (
    "SCHOOL_CODE,SCHOOL_NAME,LEVEL,WARD,SPONSOR,LONGITUDE,LATITUDE,TOTAL_ENROLMENT,TOTAL_TEACHERS\n"
    "1,Baraka,PRIMARY,W,PUBLIC,36.8,-1.28,400,10\n2,Uhuru,SECONDARY,W,CHURCH,36.9,-1.3,500,20\n"
)
# Files, then schools, pupils of primary and of junior (or shared) rows, and the first place.
LISTS = {
    "gb_gias": ({"edubase.csv": GIAS.encode("cp1252")}, 2, 210, 800, (-2.0, 52.6)),
    "us_ccd": (CCD, 2, 300, 0, (-86.2, 33.5)),
    "br_inep": (
        {n: t.encode("latin-1" if "micro" in n else "utf-8") for n, t in INEP.items()},
        2,
        150,
        80,
        (-47.9, -15.5),
    ),
    "in_udise": (UDISE, 2, 30, 6, (77.1, 28.6)),
    "ph_deped": ({"deped.csv": DEPED}, 2, 500, 150, (121.1, 14.6)),
    "id_dapodik": ({"dapodik.csv": DAPODIK}, 2, 180, 240, (110.2, -7.1)),
    "pe_escale": ({"escale.csv": ESCALE}, 2, 120, 200, (-77.03, -12.1)),
    "jp_p29": ({"P29-21_13.geojson": json.dumps(P29)}, 3, 0, 0, (139.7, 35.6)),
    "ke_emis": ({"kenya.csv": KENYA}, 2, 400, 500, (36.8, -1.28)),
}


def given(files: dict[str, str | bytes]) -> list[SourceFile]:
    return [SourceFile(name, text if isinstance(text, bytes) else text.encode()) for name, text in files.items()]


@pytest.mark.parametrize("name", LISTS)
def test_a_national_list_is_read_by_its_shipped_mapping(tmp_path: Path, name: str) -> None:
    files, schools, primary, other, place = LISTS[name]
    for order in (1, -1):
        done = bring_in(given(files)[::order], tmp_path / f"{name}{order}", mapping=Path(name), year=2023)
        assert done.county is not None, [fault.sentence("en") for fault in done.faults if fault.severity == "error"]
        rows = done.county.tables["school_years"]
        assert len(done.county.tables["schools"]) == schools
        assert rows.loc[rows["stage"] == "primary", "pupils"].sum() == primary
        assert rows.loc[rows["stage"] != "primary", "pupils"].sum() == other
        first = done.county.tables["schools"].iloc[0]
        assert (first["lon"], first["lat"]) == pytest.approx(place, abs=0.05)


@pytest.mark.parametrize("name", [name for name in LISTS if name not in ("jp_p29", "gb_gias")])
def test_a_national_list_with_places_exchanged_is_refused(tmp_path: Path, name: str) -> None:
    mapping = ColumnMapping.of(name)
    heads = {t.column: label for source in mapping.sources for label, ts in source.columns.items() for t in ts}
    lon, lat = heads["lon"], heads["lat"]
    turned = {}
    for file, content in LISTS[name][0].items():
        coding = "cp1252" if name == "gb_gias" else "latin-1" if "micro" in file else "utf-8"
        text = content.decode(coding) if isinstance(content, bytes) else content
        head, rest = text.split("\n", 1)
        turned[file] = (head.replace(lon, "@").replace(lat, lon).replace("@", lat) + "\n" + rest).encode(coding)
    done = bring_in(given(turned), tmp_path / name, mapping=Path(name), year=2023)
    assert not done.written and any(fault.rule in ("swapped_file", "not_projected") for fault in done.faults)


def test_every_shipped_mapping_is_tried_here_or_on_a_real_list() -> None:
    assert set(examples()) == {*LISTS, "my_sjkc", "uk_ni_primary_2023", "za_kzn_msinga_nkandla"}
