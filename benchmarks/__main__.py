"""python -m benchmarks [subject …]"""

from benchmarks.report import main

main()
