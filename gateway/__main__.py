"""`python -m gateway` and `eryxon-gateway`."""

import sys


def main() -> None:
    try:
        from gateway.cli import main as cli  # noqa: PLC0415 -- takes long enough for somebody to press Ctrl-C
    except KeyboardInterrupt:
        sys.exit(130)
    cli()


if __name__ == "__main__":
    main()
