"""Prints the page of a saved bench document again.

python -m bench.report out/bench.json > bench.html
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench import instrument
from bench.report import page


def read(name: str) -> dict[str, Any]:
    """The document in the file, or of standard input for `-`. Raises `ValueError` with a sentence for a person."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        document = json.loads(text)
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name} is not JSON ({error}): give the file that `python -m bench --json` wrote") from None
    if not isinstance(document, dict) or not isinstance(document.get("runs"), list):
        raise ValueError(f'{name} has no list of "runs": give the file that `python -m bench --json` wrote')
    return document


def main() -> None:
    parser = instrument.parser("report", __doc__)
    parser.add_argument(
        "document", metavar="FILE", help="what `python -m bench --json FILE` wrote; - for standard input"
    )
    options = parser.parse_args()
    try:
        document = read(options.document)
    except ValueError as error:
        parser.error(str(error))
    # As bytes: the page says that it is UTF-8, whatever the terminal's encoding is.
    sys.stdout.buffer.write(page(document).encode())


if __name__ == "__main__":
    main()
