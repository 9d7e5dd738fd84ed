"""``python -m kpt``."""

from kpt.main import main

if __name__ == "__main__":
    main()
