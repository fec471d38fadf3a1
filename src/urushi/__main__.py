"""`python -m urushi`: the command line."""

from urushi.cli import main

if __name__ == "__main__":
    main()
