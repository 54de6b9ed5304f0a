# syntax=docker/dockerfile:1
# Dvis.Streaming in one image: the service, ffmpeg, ONNX Runtime (CPU), the shipped models and the sample.
#
#   docker build -t dvis-streaming .
#   docker run --rm -v "$PWD/dvis:/etc/dvis:ro" -v dvis-state:/var/lib/dvis dvis-streaming      # with dvis/config.yaml
#
# With CUDA, for NVIDIA GPUs (docs/gpu.md): docker build --target gpu -t dvis-streaming:gpu .
# deploy/compose.yaml adds a broker and Prometheus; deploy/check-dockerfile.sh builds it where no container engine runs.

# ---- build: /image is the content of the image
FROM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
WORKDIR /src
# Restored first, so that a change in the code alone does not fetch the packages again.
COPY Directory.Build.props Directory.Build.targets Directory.Packages.props BannedSymbols.txt global.json .editorconfig ./
COPY Pipeline/*.csproj Pipeline/
COPY Sources/*.csproj Sources/
COPY Sources.OpenCv/*.csproj Sources.OpenCv/
COPY Sinks/*.csproj Sinks/
COPY Evaluation/*.csproj Evaluation/
COPY Hosting/*.csproj Hosting/
# false: a slim image, without OpenCV and its USB cameras (docs/opencv.md).
ARG OPENCV=true
RUN dotnet restore Hosting -p:OpenCv=$OPENCV
COPY Pipeline Pipeline
COPY Sources Sources
COPY Sources.OpenCv Sources.OpenCv
COPY Sinks Sinks
COPY Evaluation Evaluation
COPY Hosting Hosting
COPY schemas schemas
RUN dotnet publish Hosting -c Release --no-restore -o /image/app -p:PublishDocumentationFiles=false -p:OpenCv=$OPENCV
COPY deploy/container-health deploy/container-start LICENSE NOTICE /image/app/
COPY Models/default /image/app/Models/default
COPY Models/shapes /image/app/Models/shapes
COPY samples /image/app/samples
COPY config.yaml /image/etc/dvis/

# ---- the image
FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble AS service
ARG OPENCV=true
LABEL org.opencontainers.image.title="Dvis.Streaming" \
      org.opencontainers.image.description="Segments, tracks and refines live video, and publishes tracks with masks over MQTT" \
      org.opencontainers.image.licenses="MIT"
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ffmpeg $([ "$OPENCV" = false ] || echo libgtk-3-0 libatomic1) \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 1654 -g 1654 -m 700 /var/lib/dvis
COPY --from=build /image/ /
# HTTP binds to the container's loopback. To reach it from outside: http.bind 0.0.0.0:8080 and http.token_file with a file that
# holds the token, such as a secret. The health check reads the address file. A volume at /var/lib/dvis keeps messages that
# wait for the broker.
ENV ASPNETCORE_HTTP_PORTS= \
    DVIS_ADDRESS_FILE=/tmp/dvis-address \
    STATE_DIRECTORY=/var/lib/dvis
USER 1654
WORKDIR /app
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/app/container-health"]
ENTRYPOINT ["dotnet", "/app/dvis.dll"]
CMD ["run", "-c", "/etc/dvis/config.yaml"]

# ---- the image with CUDA (target gpu, x64 only): CUDA 13 and cuDNN 9 from NVIDIA's image, .NET from Microsoft's; both are Ubuntu 24.04
FROM build AS build-gpu
RUN dotnet publish Hosting -c Release --no-restore -o /image/app -p:PublishDocumentationFiles=false -p:OpenCv=$OPENCV -p:Gpu=true

FROM nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04 AS gpu
ARG OPENCV=true
LABEL org.opencontainers.image.title="Dvis.Streaming with CUDA" \
      org.opencontainers.image.licenses="MIT"
COPY --from=service /usr/share/dotnet/ /usr/share/dotnet/
RUN ln -s /usr/share/dotnet/dotnet /usr/bin/dotnet \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates ffmpeg libssl3t64 \
      $([ "$OPENCV" = false ] || echo libgtk-3-0 libatomic1) \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1654 --user-group --create-home app \
 && install -d -o 1654 -g 1654 -m 700 /var/lib/dvis
COPY --from=build-gpu /image/ /
ENV ASPNETCORE_HTTP_PORTS= \
    DOTNET_RUNNING_IN_CONTAINER=true \
    DVIS_ADDRESS_FILE=/tmp/dvis-address \
    STATE_DIRECTORY=/var/lib/dvis
USER 1654
WORKDIR /app
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/app/container-health"]
ENTRYPOINT ["dotnet", "/app/dvis.dll"]
CMD ["run", "-c", "/etc/dvis/config.yaml"]

# ---- without --target: the image without CUDA
FROM service
