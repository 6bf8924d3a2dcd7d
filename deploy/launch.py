"""What the Flex Template's launcher starts: the package is installed in the image, this only calls it."""

import sys

from pipelines.launch import main

if __name__ == "__main__":
    sys.exit(main())
