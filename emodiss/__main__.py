"""`python -m emodiss` is the command line."""

from emodiss.cli import main

if __name__ == "__main__":
    main()
