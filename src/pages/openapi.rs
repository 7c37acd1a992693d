//! The document that describes `/api/v1/`.

use serde_json::{Value, json};

/// A path with what it answers: its schema, and the names of what may follow the question mark.
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Every path of the API.
pub const PATHS: &[Row] = &[
    ("/api/v1/openapi.json", "", "this document", &[]),
    (
        "/api/v1/status",
        "mjolnir.box/1",
        "the box: whether all is well, loops, service, incidents, runs that go on, disk",
        &[],
    ),
    ("/api/v1/loops", "mjolnir.loops/1", "every loop with its verdict", &[]),
    ("/api/v1/loops/{tag}/{symbol}/{timeframe}", "mjolnir.loop/1", "one loop with its proofs", &[]),
    (
        "/api/v1/loops/{tag}/{symbol}/{timeframe}/bars",
        "mjolnir.bars/1",
        "bars of a window, put together until there are at most `max`: close time, open, high, low, close, volume",
        &[
            ("from", "after this time"),
            ("to", "up to this time"),
            ("max", "at most so many bars, up to 5000"),
        ],
    ),
    (
        "/api/v1/loops/{tag}/{symbol}/{timeframe}/over",
        "mjolnir.over/1",
        "what is drawn over the bars: skipped slots, stops, fills, equity, equity of a replay",
        &[
            ("from", "after this time"),
            ("to", "up to this time"),
            ("replay", "the name of a replay"),
        ],
    ),
    (
        "/api/v1/loops/{tag}/{symbol}/{timeframe}/decisions",
        "mjolnir.decisions/1",
        "the newest decisions, the oldest first",
        &[("after", "after this slot, milliseconds"), ("limit", "at most so many, up to 5000")],
    ),
    (
        "/api/v1/loops/{tag}/{symbol}/{timeframe}/decisions/live",
        "",
        "a stream of server-sent events `decision`, each as soon as it is in the ledger; its id is the slot",
        &[("after", "after this slot, milliseconds; the newest one when absent")],
    ),
    (
        "/api/v1/loops/{tag}/{symbol}/{timeframe}/why",
        "mjolnir.why/1",
        "every clause of every rule at a slot, as `runner why --json`",
        &[("at", "a time in the slot; the newest one when absent")],
    ),
    (
        "/api/v1/runs",
        "mjolnir.runs/1",
        "runs, the newest first",
        &[
            ("job", "of this job"),
            ("kind", "of this kind"),
            ("state", "in this state"),
            ("since", "started at or after"),
            ("until", "started before"),
            ("page", "from 1"),
            ("limit", "of a page, up to 1000"),
        ],
    ),
    (
        "/api/v1/runs/{run}",
        "mjolnir.run-record/1",
        "one run with its result, of a pipeline its steps, and who asked for it",
        &[],
    ),
    (
        "/api/v1/runs/{run}/log/live",
        "",
        "a stream of server-sent events: `begin` with the newest lines, `lines`, `end`",
        &[],
    ),
    (
        "/api/v1/runs/{run}/output/live",
        "",
        "the same of what the run and its programs printed",
        &[],
    ),
    ("/api/v1/jobs", "mjolnir.jobs/1", "every job with its schedules", &[]),
    (
        "/api/v1/compare",
        "mjolnir.compare/1",
        "two ledgers side by side",
        &[("a", "a tag, a backtest, or a run"), ("b", "another one")],
    ),
    ("/api/v1/proofs", "mjolnir.proofs/1", "every proof", &[]),
    ("/api/v1/sweeps", "mjolnir.sweeps/1", "every sweep: how far it is, and its verdict", &[]),
    (
        "/api/v1/sweeps/{sweep}",
        "mjolnir.sweep-page/1",
        "one sweep: how far it is, and its document when it is over",
        &[],
    ),
];

/// The whole document, OpenAPI 3.1; with the acts, where the service does them.
pub fn document(build: &str, acts: bool) -> Value {
    let mut paths: serde_json::Map<String, Value> =
        PATHS.iter().map(|row| (row.0.to_owned(), path(row))).collect();
    if acts {
        paths.insert("/api/v1/act".to_owned(), act_path());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mjolnir", "version": "1", "x-build": build,
            "description": "What a box of mjolnir does. Each document names its `schema`; numbers that end in `_ms` are milliseconds since 1970, UTC; a slot `ts_ms` is the close of its bar. A failure is a document `mjolnir.error/1`.",
        },
        "paths": paths,
    })
}

/// What takes a POST.
fn act_path() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let step = "the step of the run, to approve";
    let form = json!({ "type": "object", "required": ["do", "of", "reason"], "properties": {
        "do": text("halt, reduce, resume, flatten, pause, resume-job, run, stop, retry or approve"),
        "of": text("the tag of loops, the name of a job or of a matrix, or the id of a run"),
        "step": text(step), "reason": text("why; others will read it"), "who": text("who you are"),
    } });
    let answer =
        json!({ "type": "object", "properties": { "schema": { "const": "mjolnir.act/1" } } });
    let error =
        json!({ "type": "object", "properties": { "schema": { "const": "mjolnir.error/1" } } });
    let content = |schema: Value| json!({ "application/json": { "schema": schema } });
    json!({ "post": {
        "summary": "does what the verb of that name does; its Authorization is `Bearer` and the token in data/state/operate.token",
        "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": { "schema": form } } },
        "responses": {
            "200": { "description": "what was done", "content": content(answer) },
            "default": { "description": "what is wrong", "content": content(error) },
        },
    } })
}

fn path((path, schema, about, asked): &Row) -> Value {
    let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = named.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = asked.iter().map(|(name, about)| json!({ "name": name, "in": "query", "description": about, "schema": { "type": "string" } }));
    let content = if path.ends_with("/live") {
        json!({ "text/event-stream": { "schema": { "type": "string" } } })
    } else if schema.is_empty() {
        json!({ "application/json": { "schema": { "type": "object" } } })
    } else {
        json!({ "application/json": { "schema": { "type": "object", "required": ["schema"], "properties": { "schema": { "const": schema } } } } })
    };
    let error = json!({ "description": "what is wrong", "content": { "application/json": { "schema": { "type": "object", "properties": {
        "schema": { "const": "mjolnir.error/1" }, "exit": { "type": "integer" }, "error": { "type": "string" } } } } } });
    json!({ "get": {
        "summary": about, "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": { "200": { "description": about, "content": content }, "default": error },
    } })
}
