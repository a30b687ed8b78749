"""The table of these files, as other people's programs write it (see PROVENANCE.md)."""

import datetime
import sys

HEADER = ["key", "age", "crea", "grade", "seen", "died"]


def rows():
    day = datetime.date(2001, 12, 25)
    for n in range(24):
        yield [
            f"P{n:03}",
            None if n % 7 == 0 else round(40 + n / 3, 2),
            # xlsxwriter keeps sixteen digits.
            round(0.1 + n / 7, 4),
            ["I", "größer", "III"][n % 3],
            day + datetime.timedelta(days=400 * n),
            n % 5 == 0,
        ]


def by_openpyxl():
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Patients"
    book.create_sheet("Notes")
    sheet.append(HEADER)
    for row in rows():
        sheet.append(row)
    book.save("openpyxl.xlsx")


def by_xlsxwriter():
    import xlsxwriter

    book = xlsxwriter.Workbook("xlsxwriter.xlsx")
    sheet = book.add_worksheet()
    day = book.add_format({"num_format": "dd.mm.yyyy"})
    sheet.write_row(0, 0, HEADER)
    for at, row in enumerate(rows(), 1):
        for column, cell in enumerate(row):
            if isinstance(cell, datetime.date):
                sheet.write_datetime(at, column, datetime.datetime(*cell.timetuple()[:3]), day)
            else:
                sheet.write(at, column, cell)
    book.close()


def by_hand():
    with open("table.csv", "w") as file:
        file.write(",".join(HEADER) + "\n")
        for key, age, crea, grade, seen, died in rows():
            age = "" if age is None else repr(age)
            file.write(f"{key},{age},{crea!r},{grade},{seen},{str(died).upper()}\n")


if __name__ == "__main__":
    by_hand()
    by_openpyxl()
    by_xlsxwriter()
