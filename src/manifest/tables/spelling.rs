//! Findings, each with its severity, so that types, schema and messages agree.

/// Findings, one row each: its meaning, its name in results, its key in the table of severities, and the severity without that key.
/// The findings behind `always` have no key: they cannot be switched off.
macro_rules! findings {
    (
        $(#[$doc:meta])* $finding:ident in $(#[$levels_doc:meta])* $levels:ident of $level:ident
        {
            $($(#[$row_doc:meta])* $variant:ident = $word:literal, $key:ident: $usual:ident;)+
        }
        always $worst:ident { $($(#[$always_doc:meta])* $always:ident = $always_word:literal;)* }
    ) => {
        $crate::setting::words! {
            $(#[$doc])*
            $finding {
                $($(#[$row_doc])* $variant = $word,)+
                $($(#[$always_doc])* $always = $always_word,)*
            }
        }

        $(#[$levels_doc])*
        #[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct $levels {
            $($(#[$row_doc])* pub $key: $level,)+
        }

        impl Default for $levels {
            fn default() -> Self {
                Self { $($key: $level::$usual,)+ }
            }
        }

        impl $levels {
            /// How grave a finding is.
            pub const fn of(&self, finding: $finding) -> $level {
                match finding {
                    $($finding::$variant => self.$key,)+
                    $($finding::$always => $level::$worst,)*
                }
            }
        }
    };
}
pub(super) use findings;

#[cfg(test)]
mod tests {
    use crate::manifest::{QualityCheck, Refusal};

    #[test]
    fn the_key_of_a_finding_is_its_name() {
        let keys = |levels: serde_json::Value| -> Vec<String> {
            levels.as_object().unwrap().keys().cloned().collect()
        };
        let refusals =
            keys(serde_json::to_value(crate::manifest::RefusalLevels::default()).unwrap());
        let always = ["not-understood", "program-missing", "unreachable"];
        let names = Refusal::ALL.iter().map(|finding| finding.name());
        assert!(names.filter(|name| !always.contains(name)).eq(refusals));
        let checks = keys(serde_json::to_value(crate::manifest::QualityLevels::default()).unwrap());
        assert!(QualityCheck::ALL.iter().map(|finding| finding.name()).eq(checks));
    }
}
