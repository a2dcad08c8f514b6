#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a manual page for each function of a header, from the comment above its declaration.

    manual.py --header FILE --overview PAGE --output FOLDER [--statuses FILE]

PAGE is the manual page that tells of all functions; it also says the date. --statuses is the header
that says what statuses mean, if that is another one.
"""
import argparse
import os
import re

FUNCTION = re.compile(r"/\*\*((?:(?!\*/).)*)\*/\n(?:CT\w*_API) ([^;{]*);", re.DOTALL)
DECLARATION = re.compile(r"(.*?)(\w+)\((.*)\)", re.DOTALL)
STATUS = re.compile(r"^  (CT_\w+) = -?\d+, +/\*\*< (.*) \*/$", re.MULTILINE)
NOTES = ("Ownership", "Threads", "Callbacks", "Cost", "Since")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def escaped(text):
    text = text.replace("\\", "\\e")
    return "\\&" + text if text[:1] in (".", "'") else text


def prose(text, parameters=()):
    """A paragraph: a sentence a line, names of C in bold, names of parameters in italics."""
    text = " ".join(text.split())
    lines = re.sub(r"(?<=[\w)\]][.!?]) (?=[A-Z0-9*\"])", "\n", text).split("\n")
    marked = []
    for line in map(escaped, lines):
        line = re.sub(r"\b(?:ct|CT)_\w*\w\b", r"\\fB\g<0>\\fR", line)
        for name in parameters:
            line = re.sub(r"(?<![\w.\\-])%s(?![\w-])" % name, r"\\fI\g<0>\\fR", line)
        marked.append(line)
    return "\n".join(marked)


def blocks(lines):
    """Splits lines into paragraphs, and what is indented as it stands."""
    block, is_code = [], False
    for line in lines + [""]:
        code = line.startswith("     ") or (is_code and not line.strip())
        if block and (code != is_code or (not line.strip() and not is_code)):
            yield is_code, "\n".join(block).rstrip()
            block = []
        is_code = code
        if line.strip() or block:
            block.append(line[4:] if code else line)
    if "".join(block).strip():
        yield is_code, "\n".join(block).rstrip()


def body(lines, parameters):
    """Formats paragraphs and examples."""
    out = []
    for is_code, text in blocks(lines):
        if is_code:
            code = "\n".join(escaped(line) for line in text.split("\n"))
            out.append(".Bd -literal -offset indent\n%s\n.Ed" % code)
        else:
            out.append(prose(text, parameters))
    return "\n.Pp\n".join(out).replace(".Pp\n.Bd", ".Bd")


def taken_apart(comment):
    """The parts of a comment: description, parameters, result, notes."""
    lines = [re.sub(r"^ ?\* ?| *$", "", line) for line in comment.split("\n")]
    parts = [("description", [])]
    for line in lines:
        parameter = re.match(r"@param +(\w+) +(.*)", line)
        note = re.match(r"(%s): +(.*)" % "|".join(NOTES), line)
        if parameter:
            parts.append(("@" + parameter[1], [parameter[2]]))
        elif line.startswith("@return "):
            parts.append(("return", [line[8:]]))
        elif note:
            parts.append((note[1], [note[2]]))
        elif line.strip() and parts[-1][0] not in ("description", "more") or line.startswith("  "):
            parts[-1][1].append(line)
        elif not line.strip() and parts[-1][0] not in ("description", "more"):
            parts.append(("more", []))
        else:
            parts[-1][1].append(line)
    return parts


def declared(declaration):
    """Result, name and parameters of a function."""
    result, name, inside = DECLARATION.match(" ".join(declaration.split())).groups()
    found, depth, start = [], 0, 0
    for at, letter in enumerate(inside + ","):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append(inside[start:at].strip())
            start = at + 1
    return result.strip(), name, found


def names_of(parameters):
    names = []
    for parameter in parameters:
        name = re.search(r"\(\*(\w+)\)", parameter) or re.search(r"(\w+)(?:\[\w*\])?$", parameter)
        if name and name[1] != "void":
            names.append(name[1])
    return names


def page(comment, declaration, about):
    result, name, parameters = declared(declaration)
    names = names_of(parameters)
    parts = taken_apart(comment)
    description = [line for key, lines in parts if key in ("description", "more")
                   for line in lines + [""]]
    first = next(text for is_code, text in blocks(description) if not is_code)
    summary = re.split(r"(?<=\w{2})[.:;](?: |$)|, (?:and|so|in place) ", " ".join(first.split()))[0]
    out = [
        '.\\" SPDX-License-Identifier: MIT',
        ".Dd " + about["date"],
        ".Dt %s 3" % name.upper(),
        ".Os",
        ".Sh NAME",
        ".Nm " + name,
        ".Nd " + escaped(summary[0].lower() + summary[1:]),
        ".Sh SYNOPSIS",
        ".In " + about["header"],
        '.Ft "%s"' % result if " " in result else ".Ft " + result,
        ".Fo " + name,
    ]
    out += ['.Fa "%s"' % parameter for parameter in parameters]
    out += [".Fc", ".Sh DESCRIPTION", body(description, names), ".Pp",
            "What holds for every function, and the sections that pages refer to, stand in",
            ".In %s ." % about["header"]]

    described = [(key[1:], lines) for key, lines in parts if key.startswith("@")]
    if described:
        out.append(".Bl -tag -width Ds")
        for parameter, lines in described:
            out += [".It Fa " + parameter, prose(" ".join(lines), names)]
        out.append(".El")
    notes = [(key, lines) for key, lines in parts if key in NOTES and key != "Since"]
    if notes:
        out.append(".Bl -tag -width Callbacks")
        for key, lines in notes:
            out += [".It " + key, prose(" ".join(lines), names)]
        out.append(".El")

    returned = " ".join(" ".join(lines) for key, lines in parts if key == "return")
    if returned:
        out.append(".Sh RETURN VALUES")
        cases = re.split(r"; (?=CT_|NULL|0\b|false|true)", " ".join(returned.split()))
        if len(cases) == 1:
            out.append(prose(cases[0], names))
        else:
            out.append(".Bl -bullet -compact")
            for case in cases:
                out += [".It", prose(case, names)]
            out.append(".El")
        errors = [status for status in about["statuses"]
                  if status.startswith("CT_ERR_") and re.search(r"\b%s\b" % status, returned)]
        if errors:
            out += [".Sh ERRORS", ".Bl -tag -width CT_ERR_UNSUPPORTED"]
            for status in errors:
                out += [".It Dv " + status, prose(about["statuses"][status])]
            out.append(".El")
    others = sorted(set(re.findall(r"\bct_\w+\b", comment)) & about["functions"] - {name})
    out.append(".Sh SEE ALSO")
    pages = sorted(others + [about["overview"]])
    out += [".Xr %s 3%s" % (other, " ," if other != pages[-1] else "") for other in pages]
    since = " ".join(" ".join(lines) for key, lines in parts if key == "Since") or "0.1"
    out += [".Sh HISTORY", ".Fn %s" % name, "appeared in release %s." % since.rstrip(".")]
    return name, "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--header", required=True)
    parser.add_argument("--overview", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--statuses")
    args = parser.parse_args()

    header = read(args.header)
    functions = FUNCTION.findall(header)
    about = {
        "header": os.path.basename(args.header),
        "date": re.search(r"^\.Dd (.*)$", read(args.overview), re.MULTILINE)[1],
        "overview": os.path.basename(args.overview)[:-2],
        "statuses": dict(STATUS.findall(read(args.statuses or args.header))),
        "functions": {declared(declaration)[1] for _, declaration in functions},
    }
    if len(functions) != len(re.findall(r"^CT\w*_API ", header, re.MULTILINE)):
        raise SystemExit("%s: a function has no comment" % args.header)
    for comment, declaration in functions:
        name, text = page(comment, declaration, about)
        with open(os.path.join(args.output, name + ".3"), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
