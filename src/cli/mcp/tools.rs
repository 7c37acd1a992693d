//! The tools: what each is for and what it takes. Whatever is not in this table cannot be done.

use serde_json::{Map, Value, json};

/// What a tool does with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A verb that only looks.
    Look(&'static str),
    /// Runs a job of this kind.
    Run(&'static str),
    ReadStrategy,
    WriteStrategy,
}

/// One argument.
#[derive(Debug, Clone, Copy)]
pub struct ToolArg {
    pub name: &'static str,
    pub form: Form,
    pub is_required: bool,
    pub about: &'static str,
}

/// What an argument is, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A word of its own on the command line.
    Word,
    /// `--name=value`.
    Flag,
    /// A whole number, as a flag.
    Count,
    /// `--profile=` for each.
    Profiles,
    /// `--param=NAME=VALUE` for each.
    Params,
    /// Text for the tool itself.
    Text,
}

/// One tool.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    pub name: &'static str,
    pub about: &'static str,
    pub deed: Deed,
    pub args: &'static [ToolArg],
}

const fn arg(name: &'static str, form: Form, about: &'static str) -> ToolArg {
    ToolArg { name, form, is_required: false, about }
}

const fn must(name: &'static str, form: Form, about: &'static str) -> ToolArg {
    ToolArg { name, form, is_required: true, about }
}

const PROFILES: ToolArg =
    arg("profiles", Form::Profiles, "Profiles and strategies by name, left to right");
const PARAMS: ToolArg =
    arg("params", Form::Params, "Params of the job by name; `explain` shows which it has");
const TIMEOUT: ToolArg = arg("timeout", Form::Flag, "End it after this long, such as 10m");

/// All of them.
pub const TOOLS: [Tool; 13] = [
    Tool {
        name: "list",
        about: "List the jobs of the box, with kind and schedules",
        deed: Deed::Look("list"),
        args: &[],
    },
    Tool {
        name: "show",
        about: "Show a job as it would run, or a run with its steps by its id",
        deed: Deed::Look("show"),
        args: &[must("name", Form::Word, "The job, or the id of a run"), PROFILES, PARAMS],
    },
    Tool {
        name: "explain",
        about: "Show every value of a job and where it comes from, with warm-up and features",
        deed: Deed::Look("explain"),
        args: &[must("job", Form::Word, "The job"), PROFILES, PARAMS],
    },
    Tool {
        name: "check",
        about: "Check all jobs and strategies, or one strategy; every problem with line and advice",
        deed: Deed::Look("check"),
        args: &[arg("strategy", Form::Text, "Only this strategy, by name")],
    },
    Tool {
        name: "functions",
        about: "List the functions and values of the rule language, or describe one",
        deed: Deed::Look("functions"),
        args: &[arg("name", Form::Word, "Which")],
    },
    Tool {
        name: "read_strategy",
        about: "Read the text of a strategy",
        deed: Deed::ReadStrategy,
        args: &[must("name", Form::Text, "Its name, as for profiles")],
    },
    Tool {
        name: "write_strategy",
        about: "Write a new strategy into strategies/sandbox/. It is checked first, and never written over another one",
        deed: Deed::WriteStrategy,
        args: &[
            must("name", Form::Text, "Lower-case letters, digits, `_` and `-`"),
            must("text", Form::Text, "The file: TOML with manifest = 1 and [strategy]"),
        ],
    },
    Tool {
        name: "backtest",
        about: "Play a backtest job; it counts as one trial in the search ledger",
        deed: Deed::Run("backtest"),
        args: &[
            arg("job", Form::Word, "The job; `backtest` when absent"),
            PROFILES,
            PARAMS,
            TIMEOUT,
        ],
    },
    Tool {
        name: "sweep",
        about: "Play a sweep job: many backtests and a verdict; all of its trials count in the search ledger",
        deed: Deed::Run("sweep"),
        args: &[arg("job", Form::Word, "The job; `sweep` when absent"), PROFILES, PARAMS, TIMEOUT],
    },
    Tool {
        name: "report",
        about: "Make the report about a ledger, with figures and findings",
        deed: Deed::Run("report"),
        args: &[arg("job", Form::Word, "The job; `report` when absent"), PROFILES, PARAMS, TIMEOUT],
    },
    Tool {
        name: "why",
        about: "Show why a slot was decided as it was: every clause of every rule with its value",
        deed: Deed::Look("why"),
        args: &[
            must("job", Form::Word, "A job with the strategy, or the id of a run of one"),
            arg("tag", Form::Flag, "The ledger; that of the job when absent"),
            arg("at", Form::Flag, "The slot, by a time; the last row when absent"),
            PROFILES,
            PARAMS,
        ],
    },
    Tool {
        name: "history",
        about: "List the runs, newest first",
        deed: Deed::Look("history"),
        args: &[
            arg("job", Form::Word, "Only of this job"),
            arg("state", Form::Flag, "Only in this state, such as failed"),
            arg("kind", Form::Flag, "Only of this kind"),
            arg("since", Form::Flag, "From this time on, or so long ago, such as 24h"),
            arg("last", Form::Count, "At most so many"),
        ],
    },
    Tool {
        name: "compare",
        about: "Show two ledgers side by side: settings that differ, figures, rows",
        deed: Deed::Look("compare"),
        args: &[
            must("a", Form::Word, "A tag, the name of a backtest, or a run"),
            must("b", Form::Word, "Another one"),
        ],
    },
];

/// The tool of this name.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

/// The tools as a client reads them.
pub fn listed() -> Vec<Value> {
    TOOLS.iter().map(described).collect()
}

fn described(tool: &Tool) -> Value {
    let mut properties = Map::new();
    for arg in tool.args {
        let about = arg.about;
        let schema = match arg.form {
            Form::Word | Form::Flag | Form::Text => {
                json!({ "type": "string", "description": about })
            }
            Form::Count => json!({ "type": "integer", "minimum": 1, "description": about }),
            Form::Profiles => {
                json!({ "type": "array", "items": { "type": "string" }, "description": about })
            }
            Form::Params => json!({
                "type": "object", "description": about,
                "additionalProperties": { "type": ["string", "number", "boolean"] },
            }),
        };
        properties.insert(arg.name.to_owned(), schema);
    }
    let required: Vec<&str> =
        tool.args.iter().filter(|arg| arg.is_required).map(|arg| arg.name).collect();
    let only_reads = matches!(tool.deed, Deed::Look(_) | Deed::ReadStrategy);
    json!({
        "name": tool.name, "description": tool.about,
        "inputSchema": {
            "type": "object", "properties": properties, "required": required,
            "additionalProperties": false,
        },
        "annotations": { "readOnlyHint": only_reads, "destructiveHint": false, "openWorldHint": false },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tool_can_touch_a_loop_a_target_or_a_model_in_use() {
        for tool in TOOLS {
            let allowed = match tool.deed {
                Deed::Look(verb) => {
                    ["list", "show", "explain", "check", "functions", "why", "history", "compare"]
                        .contains(&verb)
                }
                Deed::Run(kind) => ["backtest", "sweep", "report"].contains(&kind),
                Deed::ReadStrategy | Deed::WriteStrategy => true,
            };
            assert!(allowed, "{}", tool.name);
        }
    }
}
