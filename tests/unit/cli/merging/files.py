"""Files as users have them. A new one is one entry: what it is called, and what it says."""

from __future__ import annotations

import re
from pathlib import Path

import ts

DEFAULT_METRICS = (Path(ts.__file__).parent / "configs" / "metrics.yaml").read_text()
OWN_METRIC = """\
    - name: TokensPerSecond   # asked for by billing
      unit: Count
      dimensions: [*model_name, *level]
"""
CUSTOM_METRICS = DEFAULT_METRICS.rstrip("\n") + "\n" + OWN_METRIC

FLOW_METRICS = """\
{dimensions: [], ts_metrics: {counter: [{name: Requests2XX, unit: Count, dimensions: ["Level", "Hostname"]}]},
 model_metrics: {
   gauge: [
     {name: HandlerTime, unit: ms, dimensions: ["ModelName", "Level"]},  # the last
   ]}}
"""

COMPACT_METRICS = """\
# our own
dimensions:
- &model_name "ModelName"
- &level "Level"


model_metrics:   # what models send
  counter:

  # nothing yet
  gauge:
  - name: "HandlerTime"
    unit: 'ms'
    dimensions: [*model_name, *level]
  # - name: Retired
"""

PROMETHEUS = """\
global:
  scrape_interval:     15s # By default, scrape targets every minute.
  external_labels:
      monitor: 'codelab'

# Load and evaluate rules in this file every 'evaluation_interval' seconds.
rule_files:
  # - "first.rules"

scrape_configs:
  - job_name: 'prometheus'
    static_configs:
      - targets: ['localhost:9090']   # itself

  # the last job
  - job_name: node
    static_configs:
      - targets: ['localhost:9100']
        labels: {rack: "a|b"}
# end of file
"""

KUBE_PROMETHEUS = """\
global:
  evaluation_interval: 30s
  external_labels:
    prometheus: monitoring/k8s
rule_files:
- /etc/prometheus/rules/prometheus-k8s-rulefiles-0/*.yaml
scrape_configs:
- job_name: serviceMonitor/monitoring/node-exporter/0
  honor_labels: false
  # Debian's Prometheus is built without Kubernetes.
  dns_sd_configs:
  - names:
    - node-exporter.monitoring.svc
    type: A
    port: 9100
  relabel_configs:
  - source_labels:
    - job
    target_label: __tmp_prometheus_job_name
  - action: keep
    source_labels:
    - __meta_kubernetes_service_label_app_kubernetes_io_name
    regex: (node-exporter);true
alerting:
  alert_relabel_configs:
  - action: labeldrop
    regex: prometheus_replica
  alertmanagers:
  - path_prefix: /
    dns_sd_configs:
    - names: [alertmanager.monitoring.svc]
      type: A
      port: 9093
"""

ALERT_RELABELS = """\
alerting:
    alert_relabel_configs:
        - {action: labeldrop, regex: replica}
scrape_configs:
    - job_name: a
      static_configs:
          - targets:
              - one:80
"""

FLOW_PROMETHEUS = """\
{"global": {"scrape_interval": "30s"},
 "scrape_configs": [
   {"job_name": "node", "static_configs": [{"targets": ["node:9100"]}]}
 ]}
"""

ANCHORS_PROMETHEUS = """\
global: &global
  scrape_interval: 20s
scrape_configs:
  - &job
    job_name: a
    static_configs: [{targets: ["a:1"]}]
  - <<: *job
    job_name: b
"""

OTHER_JOB = """\
scrape_configs:
  - job_name: inference
    static_configs:
      - targets: ["127.0.0.1:8082"]
"""

KUBE_ALERTMANAGER = """\
"global":
  "resolve_timeout": "5m"
"inhibit_rules":
- "equal":
  - "namespace"
  - "alertname"
  "source_matchers":
  - "severity = critical"
  "target_matchers":
  - "severity =~ warning|info"
"receivers":
- "name": "Default"
  "webhook_configs":
  - "url": "http://example.org/hook"
- "name": "Watchdog"
- "name": "Critical"
- "name": "null"
"route":
  "group_by":
  - "namespace"
  "group_interval": "5m"
  "receiver": "Default"
  "routes":
  - "matchers":
    - "alertname = Watchdog"
    "receiver": "Watchdog"
  - "matchers":
    - "alertname = InfoInhibitor"
    "receiver": "null"
  - "matchers":
    - "severity = critical"
    "receiver": "Critical"
"""

SMALL_ALERTMANAGER = """\
route: {receiver: team, group_by: [alertname]}   # everything to the team
receivers: [{name: team, webhook_configs: [{url: "http://example.org/a"}]}]
"""

OLD_ALERTMANAGER = """\
route:
    receiver: mail
    routes:
        # databases first
        - match: {service: mysql}
          receiver: mail
          continue: true
        - match_re:
            service: ^(foo1|foo2)$
          receiver: mail
receivers:
    - name: mail
      webhook_configs:
          - url: 'http://example.org/b'

templates: ['/etc/alertmanager/*.tmpl']
"""

SWALLOWING = """\
receivers:
  - name: everyone
    webhook_configs: [{url: 'http://example.org/c'}]
route:
  receiver: everyone
  routes:
    - matchers: [alertname =~ ".*"]
      receiver: everyone
"""

PROPERTIES = """\
# served behind nginx
inference_address = http://0.0.0.0:8080
management_address: http://127.0.0.1:8081
models={\\
  "a": {"1.0": {"defaultVersion": true}}\\
}
model_store=/models
"""

LOG = """\
<?xml version="1.0"?>
<Configuration status="WARN"><Appenders><Console name="STDOUT"/></Appenders>
<Loggers>
<!-- </Loggers> is not the end -->
    <Logger name="MODEL_LOG" level="info" additivity="false"><AppenderRef ref="STDOUT"/></Logger>
    <Root level='info'><AppenderRef ref="STDOUT"/></Root></Loggers>
</Configuration>"""


def windows(text: str) -> str:
    return text.replace("\n", "\r\n")


# By a name that says what is special: what the file is called, and what it holds.
FILES: dict[str, tuple[str, str]] = {
    "TorchServe's own metrics": ("metrics.yaml", DEFAULT_METRICS),
    "a metric of the user's own": ("metrics.yaml", CUSTOM_METRICS),
    "no last line break": ("metrics.yaml", CUSTOM_METRICS.rstrip("\n")),
    "CRLF": ("metrics.yaml", windows(CUSTOM_METRICS)),
    "CRLF without a last one": ("metrics.yaml", windows(CUSTOM_METRICS).rstrip("\r\n")),
    "byte order mark": ("metrics.yaml", "\ufeff" + DEFAULT_METRICS),
    "flow style over lines, trailing commas": ("metrics.yaml", FLOW_METRICS),
    "dashes below their keys, a key without value": ("metrics.yaml", COMPACT_METRICS),
    "an empty file of metrics": ("metrics.yaml", ""),
    "comments alone": ("metrics.yaml", "# to do\n\n# later"),
    "Prometheus's example": ("prometheus.yml", PROMETHEUS),
    "Prometheus's example, CRLF": ("prometheus.yml", windows(PROMETHEUS)),
    "Prometheus's example, a document's marks": ("prometheus.yml", "---\n" + PROMETHEUS + "...\n"),
    "made by prometheus-operator": ("prometheus.yml", KUBE_PROMETHEUS),
    "four spaces, alerting without a manager": ("prometheus.yml", ALERT_RELABELS),
    "JSON": ("prometheus.json", FLOW_PROMETHEUS),
    "anchors and merges": ("prometheus.yml", ANCHORS_PROMETHEUS),
    "an empty prometheus.yml": ("prometheus.yml", ""),
    "letters beyond ASCII": ("prometheus.yml", "# Zürich 🗻\n" + PROMETHEUS.replace("codelab", "Örtli 🗻")),
    "kube-prometheus": ("alertmanager.yml", KUBE_ALERTMANAGER),
    "one line each": ("alertmanager.yml", SMALL_ALERTMANAGER),
    "four spaces, match and match_re": ("alertmanager.yml", OLD_ALERTMANAGER),
    "a route that takes everything": ("alertmanager.yml", SWALLOWING),
    "separators and lines that go on": ("config.properties", PROPERTIES),
    "settings, CRLF without a last one": ("config.properties", windows(PROPERTIES).rstrip("\r\n")),
    "no settings": ("config.properties", ""),
    "loggers on few lines": ("log4j2.xml", LOG),
    "loggers, CRLF": ("log4j2.xml", windows(LOG)),
    "tabs": ("log4j2.xml", re.sub(r"(?m)^    ", "\t", LOG)),
}

# What is left alone: what the file is called, what it holds, and what is said of it.
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "tabs in YAML": ("metrics.yaml", b"model_metrics:\n\tgauge: []\n", "not YAML"),
    "not YAML at all": ("prometheus.yml", b"\x7fELF: [", "not YAML"),
    "not UTF-8": ("prometheus.yml", b"# Z\xfcrich\n", "byte 3 is not UTF-8; convert the file to UTF-8"),
    "a list": ("prometheus.yml", b"- job_name: a\n", "line 1: the file is no mapping of keys to values"),
    "a key twice": (
        "metrics.yaml",
        b"model_metrics: {}\nmodel_metrics: {}\n",
        "line 2: key 'model_metrics' stands twice; keep one of them",
    ),
    "a key twice below": (
        "prometheus.yml",
        b"scrape_configs: []\nrule_files: []\nscrape_configs: []\n",
        "line 3: key 'scrape_configs' stands twice; keep one of them",
    ),
    "a list by reference": (
        "metrics.yaml",
        b"x: &x [{name: a, unit: b, dimensions: []}]\nmodel_metrics:\n  gauge: *x\n",
        "line 3: 'gauge' refers to another list",
    ),
    "a list that others refer to": (
        "metrics.yaml",
        b"model_metrics:\n  gauge: &x\n    - {name: a, unit: b, dimensions: []}\nother: *x\n",
        "its layout leaves no safe place for an addition",
    ),
    "two documents": ("prometheus.yml", b"a: 1\n---\nb: 2\n", "more than one YAML document; split the file"),
    "a Kubernetes object": (
        "alertmanager.yml",
        b"apiVersion: monitoring.coreos.com/v1alpha1\nkind: AlertmanagerConfig\nspec: {}\n",
        "it is a Kubernetes object",
    ),
    "a receiver that reaches nobody": (
        "alertmanager.yml",
        b"route: {receiver: 'null'}\nreceivers: [{name: 'null'}]\n",
        "receiver 'null' reaches nobody; name one that does with --receiver",
    ),
    "no route": ("alertmanager.yml", b"receivers: []\n", "it has no 'route'"),
    "a setting that goes on": ("config.properties", b"models=a,\\", "its last line goes on after its end"),
    "not XML": ("log4j2.xml", b"<Configuration>", "not XML"),
    "no loggers": ("log4j2.xml", b"<Configuration/>", "it has no <Loggers> in its <Configuration>"),
    "something else": ("notes.txt", b"hello", "it is none of metrics.yaml, config.properties"),
}
