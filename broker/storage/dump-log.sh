#!/bin/sh
# Reads a log directory with Apache Kafka's own DumpLogSegments, and fails if it finds fault.
#
# Usage: dump-log.sh <log directory> [more options of kafka.tools.DumpLogSegments]
# Needs java and mvn. The jars are kept in $KINTSUGI_CACHE (default: ~/.cache/kintsugi).
set -eu

kafka_version=4.1.1

if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: $0 <log directory> [options of DumpLogSegments]" >&2
    exit 2
fi
directory=$1
shift

cache=${KINTSUGI_CACHE:-${HOME}/.cache/kintsugi}/kafka-tools-$kafka_version
if [ ! -e "$cache/complete" ]; then
    echo "fetching Apache Kafka $kafka_version's tools to $cache" >&2
    mkdir -p "$cache"
    cat > "$cache/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kintsugi</groupId>
  <artifactId>kafka-tools</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$kafka_version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>$kafka_version</version>
    </dependency>
  </dependencies>
</project>
POM
    mvn --quiet --batch-mode --file "$cache/pom.xml" \
        dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$cache/jars"
    touch "$cache/complete"
fi

files=$(find "$directory" -maxdepth 1 -type f \
    \( -name '*.log' -o -name '*.index' -o -name '*.timeindex' \) | sort | paste -sd, -)
if [ -z "$files" ]; then
    echo "$directory holds no segments" >&2
    exit 2
fi

output=$(mktemp)
trap 'rm -f "$output"' EXIT
java -cp "$cache/jars/*" kafka.tools.DumpLogSegments \
    --deep-iteration --files "$files" "$@" > "$output" 2>&1 || {
    cat "$output"
    exit 1
}
cat "$output"
# The tool ends well whatever it finds; these are the words of its findings.
if grep -Eiq 'mismatch|non-?consecutive|misordered|invalid|exception|isvalid: false|Found timestamp' "$output"; then
    echo "DumpLogSegments found fault with $directory" >&2
    exit 1
fi
