"""Ten invented patients a study, written as each of the five hospitals of `hospital_exports` writes its own: the files in `own/`."""
import csv
import datetime
import io
from pathlib import Path

HERE = Path(__file__).parent / "own"


def write(name, delimiter, encoding, end, rows, quoting=csv.QUOTE_MINIMAL):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    (HERE / f"{name}.csv").write_bytes(text.getvalue().encode(encoding))


DIALECTS = {
    "rotterdam": (",", "utf-8", "\n"),
    "groningen": (";", "utf-8-sig", "\r\n"),
    "freiburg": (";", "cp1252", "\r\n"),
    "lyon": (";", "cp1252", "\r\n"),
    "milano": (",", "utf-8", "\n"),
}
comma = lambda number, digits=1: f"{number:.{digits}f}".replace(".", ",")
dotted = lambda number: f"{number:,}".replace(",", ".")

# age, postmenopausal, size in mm, grade, nodes, pgr, er, hormones, days, event
BREAST = [
    (61, 1, 20, 3, 0, 1838, 12, 1, 1603, 0),
    (47, 0, 21, 2, 3, 403, 0, 0, 842, 1),
    (55, 1, 50, 3, 1, 0, 1250, 0, 2000, 0),
    (38, 0, 51, 2, 14, 96, 4, 0, 177, 1),
    (70, 1, 8, 3, 0, 7, None, 1, 3076, 0),
    (64, 1, None, 2, 2, 1002, 381, 0, 999, 1),
    (52, 0, 35, 3, 0, 26, 125, 0, 1084, 1),
    (49, 0, 15, 2, 1, 113, 109, 0, 3438, 0),
    (77, 1, 90, 3, 5, 0, 30, 1, 403, 1),
    (58, 1, 12, 2, 0, 55, 2003, 0, 1110, 0),
]
stage = lambda mm, words: "" if mm is None else words[(mm > 20) + (mm > 50)]
some = lambda value, word: word if value is None else value


def breast():
    start = datetime.date(1988, 2, 29)
    day = lambda days: (start + datetime.timedelta(days)).strftime("%d/%m/%Y")
    months = lambda days: days / 30.4375
    rows = [["pid", "year", "age", "meno", "size", "grade", "nodes", "pgr", "er", "hormon", "chemo", "rtime", "recur", "dtime", "death"]]
    for n, (age, meno, mm, grade, nodes, pgr, er, hormon, days, event) in enumerate(BREAST):
        # An event is a recurrence, and every third a death without one.
        recur = event and n % 3
        rows.append([n, 1990, age, meno, stage(mm, ["<=20", "20-50", ">50"]), grade, nodes, pgr, some(er, ""), hormon, 0,
                     days, int(bool(recur)), days + (300 if recur else 0), int(event and not recur)])
    yield "rotterdam", rows, csv.QUOTE_MINIMAL
    rows = [["Patiëntnummer", "Datum diagnose", "Leeftijd", "Menopauze", "T-stadium", "Graad", "Aantal klieren", "PgR (fmol/mg)",
             "ER (fmol/mg)", "Hormoontherapie", "RFS (maanden)", "Recidief of overlijden", "Opmerking"]]
    for n, (age, meno, mm, grade, nodes, pgr, er, hormon, days, event) in enumerate(BREAST):
        rows.append([f"P{n}", "29-02-1988", comma(age), ["pre", "post"][meno], stage(mm, ["T1", "T2", "T3"]), grade, nodes, pgr,
                     some(er, -9), ["nee", "ja"][hormon], comma(months(days), 2), "NJ"[event], "café; gezien" if n == 2 else ""])
    rows.append(rows[1][:2] + ["99,0"] + rows[1][3:])  # the same patient again
    yield "groningen", rows, csv.QUOTE_MINIMAL
    rows = [["Nr", "Alter", "Menopause", "Größe (mm)", "Grading", "Positive Lymphknoten", "Progesteronrezeptor", "Östrogenrezeptor",
             "Tamoxifen", "RFS (Tage)", "Ereignis", "Bemerkung"]]
    for n, (age, meno, mm, grade, nodes, pgr, er, hormon, days, event) in enumerate(BREAST):
        rows.append([n, age, ["prä", "post"][meno], some(mm, "NA"), ["", "I", "II", "III"][grade], nodes, dotted(pgr),
                     "NA" if er is None else dotted(er), ["nein", "ja"][hormon], dotted(days), ["nein", "ja"][event],
                     'Überweisung; "Süd"' if n == 3 else ""])
    yield "freiburg", rows, csv.QUOTE_MINIMAL
    rows = [["N° dossier", "Âge au diagnostic", "Ménopause", "Taille tumeur (cm)", "Grade SBR", "N ganglions envahis", "RP", "RE",
             "Hormonothérapie", "Date diagnostic", "Date dernières nouvelles", "Statut", "Médecin"]]
    for n, (age, meno, mm, grade, nodes, pgr, er, hormon, days, event) in enumerate(BREAST):
        status = "vivante sans rechute" if not event else ["décédée", "rechute"][n % 2]
        rows.append([f"{n}/1988", age, ["non", "oui"][meno], "." if mm is None else comma(mm / 10), grade, nodes, pgr, some(er, "."),
                     ["non", "oui"][hormon], day(0), day(days), status, ["hôpital de jour", "médecin traitant"][n % 2]])
    yield "lyon", rows, csv.QUOTE_MINIMAL
    rows = [["ID paziente", "Età", "Sesso", "Stato menopausale (1=pre, 2=post)", "Dimensione mm", "Grado", "Linfonodi", "PgR", "ER",
             "Ormonoterapia", "Data diagnosi", "Data ultimo contatto", "RFS mesi", "Evento", "Note"]]
    for n, (age, meno, mm, grade, nodes, pgr, er, hormon, days, event) in enumerate(BREAST):
        rows.append([f"MI-{n}", age, "F", meno + 1, some(mm, ""), grade, nodes, f"{pgr:,}", "" if er is None else f"{er:,}", hormon,
                     day(0), day(days), f"{months(days):.2f}", event, 'vista il "18", \nritorna' if n == 4 else ""])
    yield "milano", rows, csv.QUOTE_ALL


# age, male, temperature, heart rate, mean pressure, creatinine umol/L, glucose mmol/L, leucocytes, sodium, ventilated, died
ICU = [
    (55, 1, 36.5, 96, 59, 100, 5, 8.0, 140, 0, 0),
    (90, 0, 37.5, 55, 69, 250, 10, 7.2, 137, 1, 0),
    (41, 0, 38.5, 122, 55, None, None, None, None, 0, 0),
    (67, 1, 39.0, 120, 68, 75, 7.5, 0.25, 123, 0, 1),
    (43, 0, None, 94, 122, 125, 12.5, 6.7, 131, 1, 0),
    (28, 1, 36.0, 100, 58, 50, 6, 10.4, 129, 0, 0),
    (54, 1, 35.5, 143, 49, 450, 20, 11.0, 152, 1, 1),
    (90, 0, 34.0, 81, 100, 1000, 15, 3.1, 138, 1, 1),
    (73, 1, 37.0, 77, 88, 60, 5.5, 9.9, 141, 0, 0),
    (62, 0, 36.5, 68, 93, 80, 8, 12.2, 144, 0, 0),
]


def icu():
    heads = {
        "rotterdam": ["stay_id", "age", "gender", "temp_c", "heart_rate", "map", "creatinine_umol_l", "glucose_mmol_l", "wbc", "sodium", "ventilated", "died_in_hospital"],
        "groningen": ["Opnamenr", "Leeftijd", "Geslacht (1=man,2=vrouw)", "Temperatuur", "Hartfrequentie", "MAP", "Kreatinine (µmol/L)", "Glucose (mmol/L)", "Leukocyten", "Natrium", "Beademing", "Overleden"],
        "freiburg": ["Fallnummer", "Alter", "Geschlecht", "Temperatur °C", "Herzfrequenz", "MAD", "Kreatinin mg/dl", "Glukose mg/dl", "Leukozyten", "Natrium", "Beatmung", "Entlassungsart"],
        "lyon": ["N° séjour", "Âge", "Sexe", "Température", "FC", "PAM", "Créatinine (µmol/l)", "Glycémie (mmol/l)", "Leucocytes", "Natrémie", "Ventilation", "Décès"],
        "milano": ["Ricovero", "Età", "Sesso", "Temperatura °F", "Frequenza cardiaca", "PAM", "Creatinina mg/dL", "Glicemia mg/dL", "Leucociti", "Sodio", "Ventilazione", "Esito"],
    }
    words = {
        "rotterdam": ("FM", "01", "01", ""),
        "groningen": ("21", ["nee", "ja"], ["nee", "ja"], "-9"),
        "freiburg": ("wm", ["nein", "ja"], ["entlassen", "verstorben"], "NA"),
        "lyon": ("FH", "NO", "NO", "ND"),
        "milano": (["Femmina", "Maschio"], "01", ["dimesso", "deceduto"], "."),
    }
    for site, head in heads.items():
        sexes, vents, ends, missing = words[site]
        mark = "." if site in ("rotterdam", "milano") else ","
        def said(value, digits):
            return missing if value is None else f"{value:.{digits}f}".replace(".", mark)
        rows = [head]
        for n, (age, male, temp, rate, pressure, crea, glucose, wbc, sodium, vent, died) in enumerate(ICU):
            if site == "milano" and temp is not None:
                temp = temp * 1.8 + 32
            mass = site in ("freiburg", "milano")
            creatinine = said(crea, 0) if not mass else said(crea and crea * 0.011312, 6)
            sugar = said(glucose, 1) if not mass else said(glucose and glucose * 18.0156, 6)
            cells = "<0,5" if site == "groningen" and wbc == 0.25 else said(wbc, 2)
            salt = said(sodium, 1 if site == "rotterdam" else 0)
            rows.append([1000 + n, "> 89" if age == 90 else age, sexes[male], said(temp, 1), rate, pressure, creatinine, sugar, cells,
                         salt, vents[vent], ends[died]])
        yield site, rows, csv.QUOTE_ALL if site == "milano" else csv.QUOTE_MINIMAL


# age, male, delay in h, systolic pressure, consciousness, atrial fibrillation, infarct on CT, syndrome, aspirin, dead on day 14
STROKE = [
    (87, 0, 20, 200, "drowsy", 0, 0, "TACS", 0, 0),
    (65, 1, 4, 140, "alert", 0, 1, "POCS", 1, 1),
    (88, 0, 30, 155, "drowsy", 1, 0, "TACS", 0, 0),
    (81, 0, 12, 130, "alert", 1, 0, "PACS", 1, 0),
    (69, 0, 24, 145, "alert", 0, 0, "LACS", 1, 0),
    (78, 1, 8, 155, "unconscious", None, 1, "PACS", 0, 1),
    (57, 1, 5, 130, "alert", 0, 0, "OTH", 0, 0),
    (72, 0, 6, 170, "drowsy", 0, 1, "TACS", 1, 1),
    (60, 1, 33, 110, "alert", 0, 0, "LACS", 0, 0),
    (74, 1, 47, 180, "alert", 1, 1, "PACS", 1, 0),
]


def stroke():
    heads = {
        "rotterdam": ["hospital", "age", "sex", "delay_hours", "sbp", "consciousness", "af", "ct_infarct", "stroke_type", "rand_date", "aspirin", "dead14"],
        "groningen": ["Ziekenhuis", "Leeftijd", "Geslacht", "Delay (uur)", "Systolische bloeddruk", "Bewustzijn", "AF", "CT infarct", "Type", "Datum", "Aspirine", "Overleden 14d"],
        "freiburg": ["Klinik", "Alter", "Geschlecht", "Verzögerung (h)", "RR syst.", "Bewußtsein", "VHF", "CT-Infarkt", "Typ", "Datum", "ASS", "Tod bis Tag 14"],
        "lyon": ["Hôpital", "Âge", "Sexe", "Délai (h)", "PAS", "Conscience", "FA", "Infarctus TDM", "Type", "Date", "Aspirine", "Décès J14"],
        "milano": ["Ospedale", "Età", "Sesso", "Ritardo h", "PAS", "Coscienza", "FA", "Infarto TC", "Tipo", "Data", "Aspirina", "Decesso 14 gg"],
    }
    words = {
        "rotterdam": ("FM", "NY", ""),
        "groningen": ("21", "01", ""),
        "freiburg": ("wm", ["nein", "ja"], "NA"),
        "lyon": ("FH", ["non", "oui"], "."),
        "milano": (["Femmina", "Maschio"], ["No", "Sì"], ""),
    }
    for site, head in heads.items():
        sexes, yes, missing = words[site]
        rows = [head]
        for age, male, delay, sbp, state, af, infarct, kind, aspirin, dead in STROKE:
            hours = delay if site in ("rotterdam", "milano") else comma(delay)
            rows.append([17, age, sexes[male], hours, sbp, state, missing if af is None else yes[af], yes[infarct], kind,
                         "pa?-91" if site != "milano" else "lip-91", yes[aspirin], yes[dead]])
        yield site, rows, csv.QUOTE_MINIMAL


if __name__ == "__main__":
    for study in (breast, icu, stroke):
        for site, rows, quoting in study():
            delimiter, encoding, end = DIALECTS[site]
            write(f"{site}_{study.__name__}", delimiter, encoding, end, rows, quoting)
