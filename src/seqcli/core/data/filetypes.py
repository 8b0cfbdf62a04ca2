"""Recognizing files that are not UTF-8 text by their first bytes, and advising the user what to do with them."""

import re

# For each kind of file: a pattern of its first bytes, what it is, and what to do (FILE stands for its name).
SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x1f\x8b", "compressed by gzip", "Unpack it first: gunzip FILE"),
    (rb"BZh[1-9]1AY&SY", "compressed by bzip2", "Unpack it first: bunzip2 FILE"),
    (rb"\xfd7zXZ\0", "compressed by xz", "Unpack it first: unxz FILE"),
    (rb"\x28\xb5\x2f\xfd", "compressed by zstd", "Unpack it first: unzstd FILE"),
    (
        rb"PK(?:\x03\x04|\x05\x06)",
        "a ZIP archive or made of one, like .docx, .xlsx and .epub",
        "Save it as text.",
    ),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07", "an archive", "Unpack it first."),
    (rb".{257}ustar[\0 ]", "a tar archive", "Unpack it first: tar -xf FILE"),
    (rb"%PDF-", "a PDF document", "Save its text: pdftotext FILE"),
    (rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a", "a picture", "Give a text."),
    (rb"PAR1[\0-\x1f]", "a Parquet table", "Save it as .csv or .tsv, in UTF-8."),
    (rb"SQLite format 3\0", "an SQLite database", "Save the table as .csv or .tsv, in UTF-8."),
    (rb"\x89HDF\r\n|\x93NUMPY", "a file of arrays", "Give a text."),
    (rb"(?=.{0,7}\0).{8}\{\"", "a safetensors file", "Give a text; a trained model is named by --run FILE."),
    (rb"\x7fELF|MZ\x90\0", "a program", "Give a text."),
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "in UTF-32", "Save it as UTF-8: iconv -f UTF-32 -t UTF-8 FILE"),
    (rb"\xff\xfe|\xfe\xff", "in UTF-16", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE"),
)
BEGINNING = 512  # how many of the first bytes are needed to recognize a file
NEARLY = 0.2  # with a larger fraction of bytes that are not UTF-8, a file is taken to be in another encoding
_KINDS = [(re.compile(pattern, re.DOTALL), name, advice) for pattern, name, advice in SIGNATURES]


def not_a_text(beginning: bytes, name: str) -> str | None:
    """Return a sentence that says what a file is if its first bytes show that it is no UTF-8 text, otherwise None."""
    for pattern, kind, advice in _KINDS:
        if pattern.match(beginning):
            return f"{name} is {kind}, not a text in UTF-8. {advice.replace('FILE', name)}"
    return None


def advice_for(block: bytes, name: str) -> str:
    """Return advice for a file with this block, which has bytes that are not UTF-8, or NUL, few or many of them."""
    zeros = block.count(0)
    if zeros > 0.3 * len(block) and max(block[::2].count(0), block[1::2].count(0)) > 0.9 * zeros:
        return f"It looks like UTF-16: iconv -f UTF-16LE -t UTF-8 {name} makes UTF-8 of it."
    bad = len(block) - len(block.decode("utf-8", "ignore").encode())
    if bad + zeros > NEARLY * len(block):
        if zeros:
            return "It is a binary file. Give a text; --tokens byte learns the bytes of any file."
        return f"Much of it is not: it is in another encoding. iconv -f ENCODING -t UTF-8 {name} makes UTF-8 of it."
    if bad:
        return "Save the file as UTF-8, or train with --invalid-utf8 replace, which reads such bytes as U+FFFD."
    return "A text has none. Remove them, or train with --invalid-utf8 replace or --tokens byte, which read them."
