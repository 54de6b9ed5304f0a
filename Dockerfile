# syntax=docker/dockerfile:1
# Dvis.Streaming in one image: the service, ffmpeg, ONNX Runtime (CPU), the default model and the sample.
#
#   docker build -t dvis-streaming .
#   docker run --rm -e DVIS__MQTT__SERVERS__0=mqtt://broker -v "$PWD/config.yaml:/etc/dvis/config.yaml:ro" dvis-streaming
#
# deploy/compose.yaml has it with a broker and Prometheus; deploy/check-dockerfile.sh builds it where no container engine runs.

# ---- ONNX Runtime: one library out of an npm package, checked against its sha256
FROM node:22-bookworm-slim AS onnxruntime
WORKDIR /src
COPY deploy/get-onnxruntime.sh deploy/
RUN deploy/get-onnxruntime.sh /lib/onnxruntime

# ---- build
FROM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
WORKDIR /src
# Restored first, so that a change in the code alone does not fetch the packages again.
COPY Directory.Build.props Directory.Packages.props BannedSymbols.txt global.json .editorconfig ./
COPY Pipeline/*.csproj Pipeline/
COPY Sources/*.csproj Sources/
COPY Sinks/*.csproj Sinks/
COPY Hosting/*.csproj Hosting/
RUN dotnet restore Hosting
COPY Pipeline Pipeline
COPY Sources Sources
COPY Sinks Sinks
COPY Hosting Hosting
RUN dotnet publish Hosting -c Release --no-restore -o /app -p:PublishDocumentationFiles=false

# ---- the image
FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble
LABEL org.opencontainers.image.title="Dvis.Streaming" \
      org.opencontainers.image.description="Segments, tracks and refines live video, and publishes tracks with masks over MQTT" \
      org.opencontainers.image.licenses="MIT"
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ffmpeg \
 && rm -rf /var/lib/apt/lists/*
COPY --from=onnxruntime /lib/onnxruntime/ /app/
COPY --from=build /app/ /app/
COPY deploy/container-health LICENSE /app/
COPY Models/default /app/Models/default
COPY samples /app/samples
COPY config.yaml /etc/dvis/
# Relative paths in config.yaml count from its folder: what it names there by default is found there.
RUN ln -s /app/Models /app/samples /etc/dvis/
# HTTP stays on the container's own loopback, where the health check asks. To reach it from outside: DVIS__HTTP__BIND=0.0.0.0:8080 and
# DVIS__HTTP__TOKEN_FILE with a file that holds the token, such as a secret.
ENV ASPNETCORE_HTTP_PORTS=
USER 1654
WORKDIR /app
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/app/container-health"]
ENTRYPOINT ["dotnet", "/app/dvis.dll"]
CMD ["run", "-c", "/etc/dvis/config.yaml"]
