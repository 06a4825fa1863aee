#!/usr/bin/env bash
# Brings Apache Kafka's jars from Maven Central into a folder: the peer of the benchmarks.
# Usage: fetch.sh VERSION FOLDER
set -euo pipefail
version=${1:?usage: fetch.sh VERSION FOLDER}
folder=${2:?usage: fetch.sh VERSION FOLDER}
[ -e "$folder/.complete" ] && exit 0
for tool in mvn java; do
  command -v "$tool" >/dev/null || {
    echo "failed to fetch Apache Kafka: $tool is missing; install maven and a JDK (17 or later)" >&2
    exit 1
  }
done
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.kintsugi</groupId>
  <artifactId>kafka-peer</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>$version</version>
    </dependency>
  </dependencies>
</project>
POM
echo "fetching Apache Kafka $version"
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder"
touch "$folder/.complete"
