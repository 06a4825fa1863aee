# The images, from binaries that were built before (`cargo build --profile image`).
#
#   docker build --target broker   --build-arg BASE=debian:12-slim -t kintsugi-broker .
#   docker build --target operator --build-arg BASE=debian:12-slim -t kintsugi-operator .
#
# BASE needs the C library that the binaries were linked with, and nothing else: no shell, no
# package manager. The binaries run as a user without a name, and write only to their volume.
ARG BASE=localhost/kintsugi-base

FROM ${BASE} AS broker
COPY target/image/kintsugi-broker /usr/bin/kintsugi-broker
USER 65532:65532
# Clients, replication, controllers, control, HTTP.
EXPOSE 9092 9091 9093 9094 9404
ENTRYPOINT ["/usr/bin/kintsugi-broker"]

FROM ${BASE} AS operator
COPY target/image/kintsugi-operator /usr/bin/kintsugi-operator
USER 65532:65532
ENTRYPOINT ["/usr/bin/kintsugi-operator"]

# For the scenarios of e2e/ on clusters that were handed over by a kubeconfig.
FROM ${BASE} AS node-helper
COPY target/image/kintsugi-node-helper /usr/bin/kintsugi-node-helper
ENTRYPOINT ["/usr/bin/kintsugi-node-helper"]
