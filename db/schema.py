"""The tables. What each holds and why: docs/architecture.md, "The data".

Numbers in BLOBs are little-endian float64 (values, wall times) or int64 (steps).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True)


def _ref(name: str, target: str, *, index: bool = False) -> Column[int]:
    return Column(name, Integer, ForeignKey(target, ondelete="CASCADE"), nullable=False, index=index)


projects = Table("projects", metadata, _id(), Column("name", Text, nullable=False, unique=True))

runs = Table(
    "runs",
    metadata,
    _id(),
    _ref("project_id", "projects.id"),
    Column("name", Text, nullable=False),
    Column("trainer", Text, nullable=False),
    Column("place", Text, nullable=False, unique=True),  # where it lives: tells two runs of one name apart
)

sources = Table(
    "sources",
    metadata,
    _id(),
    _ref("run_id", "runs.id", index=True),
    Column("path", Text, nullable=False, unique=True),
    Column("format", Text, nullable=False),
    Column("trainer", Text, nullable=False),
    Column("head", Text, nullable=False),  # "length:hash" of the file's first bytes
    Column(
        "mark", Text, nullable=False
    ),  # "length:hash" of the bytes before the place; both tell growth from replacement
    Column("size", BigInteger, nullable=False),  # as on disk, when last read
    Column("modified", Float, nullable=False),
    Column("offset", BigInteger, nullable=False),  # the place: bytes (decompressed) that are done with
    Column("memory", Text, nullable=False),  # the reader's, JSON
    Column("provisional", Text),  # how to take back what a torn end gave, JSON
    Column("version", Integer, nullable=False),  # moves with every write: two collectors cannot both win
    Column("records", Integer, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("first_step", BigInteger),
    Column("last_step", BigInteger),
    Column("unread", Integer, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    _id(),
    _ref("run_id", "runs.id", index=True),
    _ref("source_id", "sources.id", index=True),
    Column("number", Integer, nullable=False),  # within the run, from 1
    Column("line", Integer, nullable=False),  # attempts of one line continue or restart each other
    Column("first_step", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("has_row", Boolean, nullable=False),  # before its first training row it supersedes nothing of that step
    Column("ends_at", BigInteger),  # a later attempt of the line has superseded it from this step on
    Column("records", Integer, nullable=False),
    Column("tail_records", Integer, nullable=False),
    UniqueConstraint("run_id", "number"),
)

unread = Table(
    "unread",
    metadata,
    _id(),
    _ref("source_id", "sources.id", index=True),
    Column("line", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
)

metrics = Table(
    "metrics",
    metadata,
    _id(),
    Column("trainer", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("quantity", Text),
    Column("unit", Text),
    Column("caveat", Text),
    Column("scale", Float, nullable=False),  # stored value * scale = canonical unit
    Column("rank", Integer, nullable=False),  # which of two names for one quantity is preferred; 0 first
    Column("evaluation", Boolean, nullable=False),
    UniqueConstraint("trainer", "name"),
)

keysets = Table("keysets", metadata, _id(), Column("digest", Text, nullable=False, unique=True))

keyset_metrics = Table(
    "keyset_metrics",
    metadata,
    Column("keyset_id", Integer, ForeignKey("keysets.id", ondelete="CASCADE"), primary_key=True),
    Column("metric_id", Integer, ForeignKey("metrics.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Index("ix_keyset_metrics_metric_id", "metric_id"),
)

tail = Table(
    "tail",
    metadata,
    Column("attempt_id", Integer, ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),  # number of the first record within the attempt
    Column("n", Integer, nullable=False),
    Column("keyset_id", Integer, ForeignKey("keysets.id"), nullable=False),
    Column("steps", LargeBinary, nullable=False),
    Column("walls", LargeBinary, nullable=False),
    Column("vals", LargeBinary, nullable=False),  # metric by metric, n values each
)

axes = Table(
    "axes",
    metadata,
    Column("attempt_id", Integer, ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("steps", LargeBinary, nullable=False),
    Column("walls", LargeBinary, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("attempt_id", Integer, ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
    Column("metric_id", Integer, ForeignKey("metrics.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("positions", LargeBinary),  # uint16 records of the axis that hold the metric; NULL = all
    Column("vals", LargeBinary, nullable=False),
)

latest = Table(
    "latest",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("step", BigInteger, nullable=False),  # of the newest record
    Column("wall", Float),
    Column("metric_ids", LargeBinary, nullable=False),  # int32, ascending
    Column("steps", LargeBinary, nullable=False),
    Column("vals", LargeBinary, nullable=False),
)

config = Table(
    "config",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON, secrets redacted
)

settings = Table(
    "settings",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),  # canonical: context_limit, entropy_coef …
    Column("value", Text, nullable=False),  # JSON
)

lineage = Table(
    "lineage",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    _ref("parent_id", "runs.id"),
    Column("why", Text, nullable=False),  # what in the log says so
)

findings = Table(
    "findings",
    metadata,
    _id(),
    _ref("run_id", "runs.id", index=True),
    _ref("source_id", "sources.id"),
    Column("attempt", Integer, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("onset_step", BigInteger, nullable=False),
    Column("detected_step", BigInteger, nullable=False),
    Column("resolved_step", BigInteger),
    Column("message", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("clears", Text, nullable=False),
    Column("advice", Text, nullable=False),
    Column("origin", Text, nullable=False),
    UniqueConstraint("source_id", "attempt", "trouble", "detected_step"),
)

judgements = Table(
    "judgements",
    metadata,
    Column("source_id", Integer, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt_id", Integer, nullable=False),  # judged up to this record
    Column("seq", Integer, nullable=False),
    Column("state", Text, nullable=False),  # of every detector, JSON
    Column("rules", Text, nullable=False),  # fingerprint of detectors and settings: another one starts afresh
)

mirrors = Table(
    "mirrors",
    metadata,
    Column("attempt_id", Integer, ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
    Column("target", Text, primary_key=True),  # MLflow tracking URI
    Column("mlflow_run", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # records before this one are in MLflow
)

facts = Table(  # about the store itself: which tables of names its metrics were understood by
    "facts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

statements = Table(  # what detectors and rules said, kept word for word: the findings are their latest state
    "statements",
    metadata,
    _id(),
    _ref("run_id", "runs.id", index=True),
    _ref("source_id", "sources.id"),
    Column("attempt", Integer, nullable=False),
    Column("trouble", Text, nullable=False),  # or the name of a rule
    Column("detected_step", BigInteger, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("step", BigInteger, nullable=False),  # of the row that made it so
    Column("wall", Float),
    Column("late", Boolean, nullable=False),  # learnt from rows that had been judged before, by other rules
    Column("said", Text, nullable=False),  # the whole finding, JSON
    UniqueConstraint(
        "source_id", "attempt", "trouble", "detected_step", "state", "severity", name="uq_statements_said"
    ),
)

positions = Table(  # the last row that was judged of a source
    "positions",
    metadata,
    Column("source_id", Integer, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("wall", Float),
)

rule_states = Table(  # how far a rule of the team's own has judged a source
    "rule_states",
    metadata,
    Column("source_id", Integer, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("definition", Text, nullable=False),  # fingerprint: another one starts afresh
    Column("attempt_id", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("state", Text, nullable=False),
)

watched = Table(  # runs whose alerts have been told before
    "watched",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("since", Float, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    _id(),
    _ref("run_id", "runs.id"),
    Column("rule", Text, nullable=False),
    Column("episode", Text, nullable=False),  # where it began: "source:attempt:step", or "error:…", "no-data:…"
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("source_id", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("onset_step", BigInteger, nullable=False),
    Column("detected_step", BigInteger, nullable=False),
    Column("resolved_step", BigInteger),
    Column("opened_at", Float, nullable=False),  # times of the passes that saw it, s since the epoch
    Column("fired_at", Float),
    Column("resolved_at", Float),
    Column("acked_at", Float),
    Column("acked_by", Text),
    Column("streak", Integer, nullable=False),  # consecutive critical evaluations
    Column("streak_at", Text, nullable=False),  # position at the last of them
    Column("said", Text, nullable=False),  # the latest finding, JSON
    UniqueConstraint("run_id", "rule", "episode"),
)

flips = Table(  # every change of an alert, and what people did to it
    "flips",
    metadata,
    _id(),
    _ref("alert_id", "alerts.id"),
    Column("kind", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("step", BigInteger),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    UniqueConstraint("alert_id", "kind", "n"),
)

silences = Table(
    "silences",
    metadata,
    _id(),
    Column("run", Text, nullable=False),  # patterns: * is everything
    Column("rule", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("until", Float),
    Column("until_step", BigInteger),
    Column("made_at", Float, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("ended_at", Float),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
    _ref("alert_id", "alerts.id"),
    Column("run_id", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("key", Text, nullable=False),  # what a receiver may know a repeated delivery by
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),  # waiting, delivered, refused
    Column("batch", Text, nullable=False),  # messages that travel together, fixed at the first try; "" before
    Column("done_at", Float),
    UniqueConstraint("alert_id", "channel", "kind", "n"),
    Index("ix_outbox_state_channel", "state", "channel"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    Column("channel", Text, nullable=False),
    Column("batch", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("took", Float, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("result", Text, nullable=False),  # delivered, failed, refused
    Column("detail", Text, nullable=False),
    Index("ix_deliveries_channel_batch", "channel", "batch"),
)

channels = Table(
    "channels",
    metadata,
    Column("name", Text, primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row
    Column("next_at", Float, nullable=False),  # not before
    Column("owner", Text, nullable=False),  # who is delivering, until then
    Column("lease_until", Float, nullable=False),
)

acts = Table(  # of the guard
    "acts",
    metadata,
    _id(),
    _ref("alert_id", "alerts.id"),
    Column("guard", Text, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("what", Text, nullable=False),
    Column("begun_at", Float, nullable=False),
    Column("done_at", Float),
    Column("result", Text, nullable=False),
    UniqueConstraint("alert_id", "guard", "dry_run"),
)

documents = Table(  # small files beside the logs that hold no points: results of evaluations, expert scores, data sets
    "documents",
    metadata,
    _id(),
    Column("path", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),  # evaluation, expert_scores, expert_config, dataset
    Column("format", Text, nullable=False),  # the reader that claimed it
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="SET NULL"), index=True),  # whose it is, where known
    Column("fingerprint", Text, nullable=False),  # of all its bytes: another one replaces what was read
    Column("size", BigInteger, nullable=False),
    Column("modified", Float, nullable=False),
    Column("content", Text, nullable=False),  # what the reader made of it, JSON; "" for evaluations, which are rows
    Column("unread", Integer, nullable=False),
    Column("why", Text, nullable=False),  # of the first entry that could not be read, with its place
)

evaluations = Table(
    "evaluations",
    metadata,
    _id(),
    _ref("document_id", "documents.id", index=True),
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="SET NULL"), index=True),
    Column("position", Integer, nullable=False),  # entry or line within the document
    Column("system", Text, nullable=False),  # model or run, as the document calls it
    Column("checkpoint", Text, nullable=False),  # "" where not said
    Column("step", BigInteger),
    Column("benchmark", Text, nullable=False),
    Column("metric", Text, nullable=False),  # accuracy, pass@k, avg@k, maj@k, rating, percentile, perplexity …
    Column("k", Integer),
    Column("value", Float),  # NULL: not known
    Column("unit", Text, nullable=False),  # fraction, percent, rating, percentile, score, nats
    Column("standard_error", Float),  # as the document tells it, in the unit
    Column("n_questions", Integer),
    Column("k_samples", Integer),
    Column("temperature", Float),
    Column("top_p", Float),
    Column("train_context", BigInteger),  # tokens
    Column("eval_context", BigInteger),  # tokens that a response may have; NULL: not known, and said so
    Column("truncated_fraction", Float),
    Column("response_length_mean", Float),  # tokens
    Column("published", Boolean, nullable=False),  # a figure of a report, not of a user's run
    Column("origin", Text, nullable=False),  # where the figure is from
    Column("note", Text, nullable=False),
    Column("others", Text, nullable=False),  # what else the entry said, JSON
    UniqueConstraint("document_id", "position"),
)

evaluation_questions = Table(  # where the document tells question by question
    "evaluation_questions",
    metadata,
    Column("evaluation_id", Integer, ForeignKey("evaluations.id", ondelete="CASCADE"), primary_key=True),
    Column("questions", Text, nullable=False),  # JSON list of n ids
    Column("samples", LargeBinary, nullable=False),  # int32 (n,)
    Column("right", LargeBinary, nullable=False),  # int32 (n,), of the samples
)

stages = Table(  # declared by a person: over what configs and logs say
    "stages",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("first_step", BigInteger, primary_key=True),
    Column("context_limit", BigInteger),  # tokens; NULL: a stage of another kind
    Column("name", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", Float, nullable=False),
)

tags = Table(
    "tags",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", Text, primary_key=True),
)

notes = Table(
    "notes",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),  # Markdown, shown without HTML
)

shelved = Table(  # runs that are out of sight: archived, or deleted until somebody undoes it
    "shelved",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("how", Text, nullable=False),  # archived, deleted
    Column("at", Float, nullable=False),
)

edits = Table(  # what people did, for ever
    "edits",
    metadata,
    _id(),
    Column("at", Float, nullable=False),
    Column("who", Text, nullable=False),
    Column("act", Text, nullable=False),  # tag, untag, note, archive, delete, restore, stage, link, acknowledge …
    Column("run_id", Integer, index=True),  # no foreign key: it outlives the run
    Column("detail", Text, nullable=False),
)
