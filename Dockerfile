# TorchServe with TorchVitals, and (targets `receiver`, `retraining` and `labels`) the demo's notification receiver, the
# service that starts retraining and the one that joins labels with predictions.
#
#   docker build -t torchvitals-torchserve .
#   docker build -t torchvitals-torchserve --build-arg TORCH_INDEX_URL= .      with CUDA
#
# No BuildKit-only instruction is used: the classic builder works too.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm


# Keeps what Alertmanager sends and shows it; for the demo, not for production.
FROM ${PYTHON_IMAGE} AS receiver
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/torchvitals
COPY constraints.txt ./
RUN pip install --no-cache-dir --root-user-action=ignore -c constraints.txt starlette uvicorn
COPY stack/__init__.py stack/receiver.py stack/
RUN groupadd --gid 10001 receiver \
    && useradd --uid 10001 --gid 10001 --no-create-home receiver \
    && install -d -o receiver -g receiver /var/lib/receiver
USER receiver
EXPOSE 9099
ENTRYPOINT ["python", "-m", "stack.receiver"]
CMD ["--host", "0.0.0.0", "--port", "9099", "--file", "/var/lib/receiver/notifications.jsonl"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9099/health', timeout=4)"]


# Takes Alertmanager's webhook and starts what retrains a model. Where that is a program, build an image FROM this one.
FROM ${PYTHON_IMAGE} AS retraining
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/torchvitals
COPY constraints.txt retraining/requirements.txt ./
RUN pip install --no-cache-dir --root-user-action=ignore -c constraints.txt -r requirements.txt
COPY retraining retraining
COPY deploy/compose/with_token.py ./
RUN groupadd --gid 10001 retraining \
    && useradd --uid 10001 --gid 10001 --no-create-home retraining \
    && install -d -o retraining -g retraining -m 0700 /var/lib/retraining \
    && install -d -o retraining -g retraining /run/retraining
USER retraining
EXPOSE 9095
ENTRYPOINT ["python", "/opt/torchvitals/with_token.py", "/run/retraining/token", "retraining"]
CMD ["--config", "/etc/retraining/retraining.yml"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9095/healthz', timeout=4)"]


# Joins labels that come later with the predictions that TorchServe's workers leave in files.
FROM ${PYTHON_IMAGE} AS labels
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/torchvitals
COPY constraints.txt labels/requirements.txt ./
RUN pip install --no-cache-dir --root-user-action=ignore -c constraints.txt -r requirements.txt
COPY handlers/torchvitals torchvitals
COPY labels/torchvitals_labels torchvitals_labels
COPY deploy/compose/with_token.py ./
# The user id that TorchServe's workers have: nobody else may read what they write.
RUN groupadd --gid 10001 labels \
    && useradd --uid 10001 --gid 10001 --no-create-home labels \
    && install -d -o labels -g labels -m 0700 /var/lib/labels /var/lib/predictions
USER labels
EXPOSE 9096
ENTRYPOINT ["python", "/opt/torchvitals/with_token.py", "/var/lib/labels/token", \
    "torchvitals", "labels", "serve", "--token-file", "/var/lib/labels/token", "--directory", "/var/lib/predictions", \
    "--store", "/var/lib/labels/labels.sqlite", "--host", "0.0.0.0", "--port", "9096"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9096/healthz', timeout=4)"]


# Everything that a worker imports, in a folder of its own, so that pip and its caches stay behind.
FROM ${PYTHON_IMAGE} AS build
# Where torch comes from besides PyPI: its CPU build by default. Empty for PyPI alone, whose build brings CUDA.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN python3 -m venv --without-pip /opt/venv
WORKDIR /src
# The heavy part first, so that a change of our own code does not fetch torch again.
COPY constraints.txt ./
RUN pip --python /opt/venv/bin/python install --no-cache-dir \
        ${TORCH_INDEX_URL:+--extra-index-url "${TORCH_INDEX_URL}"} \
        -c constraints.txt torch torchserve torch-model-archiver pyyaml numpy scipy
COPY pyproject.toml README.md LICENSE Procfile metrics.yaml config.properties log4j2.xml ./
COPY handlers handlers
COPY report report
COPY stack stack
COPY prometheus/prometheus.yml prometheus/rules.yml prometheus/alerts.yml prometheus/
COPY alertmanager alertmanager
COPY grafana/dashboards grafana/dashboards
COPY grafana/importable grafana/importable
COPY grafana/provisioning grafana/provisioning
RUN pip --python /opt/venv/bin/python install --no-cache-dir -c constraints.txt '.[serve]'


FROM ${PYTHON_IMAGE} AS torchserve
# Slim images have no folder for manual pages, and Java's package does not install without one.
RUN mkdir -p /usr/share/man/man1 \
    && apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 torchserve \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/torchserve --no-create-home torchserve \
    && install -d -o torchserve -g torchserve /var/lib/torchserve /var/lib/torchserve/logs /models \
    && install -d -o torchserve -g torchserve -m 0700 /var/lib/torchserve/logs/predictions
COPY --from=build /opt/venv /opt/venv
WORKDIR /opt/torchvitals
COPY config.properties metrics.yaml log4j2.xml deploy/compose/healthcheck.py ./
# The same settings as everywhere; what a container must have otherwise comes from the variables below.
RUN printf '\n# Added by the Dockerfile: a variable TS_<SETTING> wins over this file.\nenable_envvars_config=true\n' \
        >> config.properties \
    && ln -s /opt/venv/lib/python3.*/site-packages /opt/venv/site-packages

# A container's loopback cannot be published, so each port listens on all of the container's addresses. None has
# encryption and the metrics port has no access control: publish them on 127.0.0.1 or keep them on a private network.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOG_LOCATION=/var/lib/torchserve/logs \
    METRICS_LOCATION=/var/lib/torchserve/logs \
    TS_INFERENCE_ADDRESS=http://0.0.0.0:8080 \
    TS_MANAGEMENT_ADDRESS=http://0.0.0.0:8081 \
    TS_METRICS_ADDRESS=http://0.0.0.0:8082 \
    TS_METRICS_CONFIG=/opt/torchvitals/metrics.yaml
EXPOSE 8080 8081 8082

# TorchServe writes key_file.json, with the tokens, into the folder it starts in.
USER torchserve
WORKDIR /var/lib/torchserve
# The Java server itself and not the `torchserve` command: that one starts Java as a child and does not pass a
# stop signal on to it (ts/model_server.py), so `docker stop` would kill it. It does not read vmargs in
# config.properties either, so they stand here once more. tini reaps what workers leave behind; 143 is how Java ends
# after a stop signal.
ENTRYPOINT ["tini", "-e", "143", "--", "java", \
    "-Dmodel_server_home=/opt/venv/site-packages", \
    "-Dlog4j.configurationFile=file:///opt/torchvitals/log4j2.xml", \
    "-Djava.util.concurrent.ForkJoinPool.common.parallelism=64", \
    "-cp", "/opt/venv/site-packages/ts/frontend/*", \
    "org.pytorch.serve.ModelServer", \
    "--python", "/opt/venv/bin/python"]
CMD ["-f", "/opt/torchvitals/config.properties", "-s", "/models", "-ncs"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "/opt/torchvitals/healthcheck.py"]
