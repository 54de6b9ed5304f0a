"""Entry point of the command line: `python3 -m dvis COMMAND --help`, run in Models/."""
import os

# Set before torch is loaded: waiting threads must not spin, and the matrix products of the
# autograd thread must not compete with a second pool of threads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
