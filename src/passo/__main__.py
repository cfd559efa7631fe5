"""`python -m passo` is `passo`."""

from passo.cli import main

if __name__ == "__main__":
    main()
