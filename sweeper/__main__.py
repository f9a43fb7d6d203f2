"""`python -m sweeper`, the same as `sweeper`."""

from sweeper.cli.app import main

if __name__ == "__main__":
    main()
