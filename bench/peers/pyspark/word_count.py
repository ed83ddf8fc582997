"""The peer of bench/word-count.ts: the words of a text by PySpark. Arguments: file, workers, way ("dataframe" or "rdd").

Prints the time without the session's start, as JSON. `dataframe` runs in the JVM alone, `rdd` is Python's own functions.
"""

import json
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, explode, split

file, workers, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]

spark = (
    SparkSession.builder.master(f"local[{workers}]")
    .config("spark.driver.memory", "2g")
    .config("spark.sql.shuffle.partitions", workers)
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
# The session, its Python workers and the JVM's classes are there before the clock starts.
spark.createDataFrame([("a b",)], ["value"]).select(explode(split("value", " "))).groupBy("col").count().collect()
spark.sparkContext.parallelize(["a b"], workers).flatMap(str.split).map(lambda w: (w, 1)).reduceByKey(int.__add__).collect()

started = time.perf_counter()
if way == "dataframe":
    words = spark.read.text(file).select(explode(split(col("value"), " ")).alias("word"))
    counts = [(row["word"], row["count"]) for row in words.where(col("word") != "").groupBy("word").count().collect()]
else:
    lines = spark.sparkContext.textFile(file)
    counts = lines.flatMap(str.split).map(lambda word: (word, 1)).reduceByKey(int.__add__).collect()
seconds = time.perf_counter() - started
print(json.dumps({"ms": 1000 * seconds, "words": len(counts), "total": sum(count for _, count in counts)}))
spark.stop()
