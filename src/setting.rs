//! What settings are made of, from the key of a manifest to their use: enums of words, and exact decimals.

use std::borrow::Cow;

use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::{
    decimal::{decimal, float},
    money::Money,
};

/// An enum of words: documented, spelled in kebab-case unless renamed, with its spelling as a constant function.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// How it is written.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}
pub(crate) use words;

/// An exact decimal, written as a TOML number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dec(Decimal);

impl Dec {
    /// Wraps a decimal.
    pub const fn new(decimal: Decimal) -> Self {
        Self(decimal)
    }

    /// A whole number.
    pub fn whole(n: u32) -> Self {
        Self(Decimal::from(n))
    }

    /// The decimal.
    pub const fn get(self) -> Decimal {
        self.0
    }

    /// As an amount of the quote currency.
    pub fn money(self) -> Money {
        Money::new(self.0)
    }
}

impl Serialize for Dec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.0) {
            Ok(whole) if Decimal::from(whole) == self.0 => serializer.serialize_i64(whole),
            _ => serializer.serialize_f64(float(self.0)),
        }
    }
}

impl<'de> Deserialize<'de> for Dec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Whole(i64),
            Float(f64),
        }
        match Form::deserialize(deserializer)? {
            Form::Whole(n) => Ok(Self(Decimal::from(n))),
            Form::Float(x) => decimal(x)
                .map(|d| Self(d.normalize()))
                .ok_or_else(|| de::Error::custom("the number does not fit a decimal")),
        }
    }
}

impl JsonSchema for Dec {
    fn schema_name() -> Cow<'static, str> {
        "decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "format": "decimal" })
    }
}
