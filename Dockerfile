# The images of the broker and the operator, for linux/amd64 and linux/arm64.
#
#   docker build --target broker-from-source   -t kintsugi-broker .
#   docker build --target operator-from-source -t kintsugi-operator .
#   docker buildx build --platform linux/amd64,linux/arm64 --target broker-from-source ...
#
# From source, BUILDER compiles on the building machine's own architecture, for arm64 with a cross
# compiler; so no emulation runs. From binaries that were built before, these are taken from
# target/amd64/ and target/arm64/:
#
#   docker build --target broker-from-binaries   -t kintsugi-broker .
#   docker build --target operator-from-binaries -t kintsugi-operator .
#
# BUILDER needs rustup (or rustc and cargo of rust-toolchain.toml), a C compiler and, to compile for
# another architecture, apt-get or that cross compiler. BASE needs the C library that the binaries
# were linked with, of that version or a newer one, and nothing else: no shell, no package manager.
# The binaries run as a user without a name, and write only to their volume.
ARG BUILDER=docker.io/library/rust:1.95-bookworm
ARG BASE=docker.io/library/debian:12-slim

FROM --platform=${BUILDPLATFORM} ${BUILDER} AS source
ARG TARGETARCH
WORKDIR /source
COPY . .
RUN broker/compile-image.sh "$TARGETARCH" /binaries

FROM ${BASE} AS broker-base
USER 65532:65532
# Clients, replication, controllers, control, HTTP.
EXPOSE 9092 9091 9093 9094 9404
ENTRYPOINT ["/usr/bin/kintsugi-broker"]

FROM ${BASE} AS operator-base
USER 65532:65532
ENTRYPOINT ["/usr/bin/kintsugi-operator"]

FROM broker-base AS broker-from-source
COPY --from=source /binaries/kintsugi-broker /usr/bin/kintsugi-broker

FROM operator-base AS operator-from-source
COPY --from=source /binaries/kintsugi-operator /usr/bin/kintsugi-operator

FROM broker-base AS broker-from-binaries
ARG TARGETARCH
COPY target/${TARGETARCH}/kintsugi-broker /usr/bin/kintsugi-broker

FROM operator-base AS operator-from-binaries
ARG TARGETARCH
COPY target/${TARGETARCH}/kintsugi-operator /usr/bin/kintsugi-operator

# For the scenarios of e2e/ on clusters that were handed over by a kubeconfig.
FROM ${BASE} AS node-helper-from-binaries
ARG TARGETARCH
COPY target/${TARGETARCH}/kintsugi-node-helper /usr/bin/kintsugi-node-helper
ENTRYPOINT ["/usr/bin/kintsugi-node-helper"]
