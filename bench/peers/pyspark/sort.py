"""The peer of bench/sort.ts: records of 100 bytes, which end with a line break, sorted by PySpark.

Arguments: file, output folder, workers, memory in MiB, way ("dataframe" or "rdd"). Prints the time without the session's start, as JSON.
"""

import json
import sys
import time

from pyspark.sql import SparkSession

file, output, workers, memory_mb, way = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]

spark = (
    SparkSession.builder.master(f"local[{workers}]")
    .config("spark.driver.memory", f"{memory_mb}m")
    .config("spark.local.dir", f"{output}.spark")
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
spark.createDataFrame([("b",), ("a",)], ["value"]).sort("value").collect()

started = time.perf_counter()
if way == "dataframe":
    # Whole lines: their keys of 10 bytes come first, and differ.
    spark.read.text(file, lineSep="\n").sort("value").write.text(output)
else:
    spark.sparkContext.textFile(file).sortBy(lambda line: line[:10]).saveAsTextFile(output)
print(json.dumps({"ms": 1000 * (time.perf_counter() - started)}))
spark.stop()
