# One image for every role: the pods, the leader and the analyzer differ by their arguments alone.
# Plain Dockerfile syntax throughout, so that the classic builder of an older Engine builds it too.

FROM golang:1.26-bookworm AS build

# Empty by default, and then the Go command's own defaults hold. They are for networks where modules come from elsewhere:
#   docker build --build-arg GOPROXY=https://goproxy.example ...
ARG GOPROXY
ARG GOSUMDB
ARG GONOSUMDB
ARG GOPRIVATE
ARG GOFLAGS

# What changes least comes first. Compiling the standard library is a good half of the build's time, and no edit of belfry
# or of its modules changes it. The flags must be those of the build below.
ENV CGO_ENABLED=0
RUN go build -trimpath net/http

WORKDIR /src

# Modules change seldom: in a layer of their own they are fetched once, not at each change of a source file.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=dev
RUN go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" \
    -o /image/usr/local/bin/belfry ./cli/belfry

# The slim base has no certificate authorities; rediss://, etcds:// and the http handler need them.
RUN install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -D -m 0644 compose/jobs.yaml /image/etc/belfry/jobs.yaml

# A base with a userland, not an empty one: the built-in exec handler runs programs, and an image made
# FROM this one adds them with apt. belfry itself needs nothing of it.
FROM debian:bookworm-slim

# /evidence and /var/lib/belfry belong to the user the pods run as. A new named volume mounted there takes over owner and
# mode; without the directories it would be root's, and no pod could write.
RUN install -d -o 65532 -g 65532 -m 0755 /evidence /var/lib/belfry

# One COPY for all files: where a COPY changes nothing (a base that has the same certificates), the classic
# builder loses the empty layer and the next COPY ends in "layer does not exist" (moby/moby#37965).
COPY --from=build /image/ /

# By number: Kubernetes' runAsNonRoot cannot judge a name.
USER 65532:65532
WORKDIR /var/lib/belfry
ENTRYPOINT ["/usr/local/bin/belfry"]
CMD ["--help"]
