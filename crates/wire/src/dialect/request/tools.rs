use std::borrow::Cow;

use serde::de::{Error, MapAccess, SeqAccess};

use super::{
    shape::{Expected, Key, Read, Shape},
    text::Estimate,
};
use crate::dialect::Dialect;

/// `tools`: a list, whose elements (Gemini) may hold lists of functions.
pub(super) struct Tools<'a> {
    pub(super) name: &'static str,
    pub(super) dialect: Dialect,
    pub(super) count: &'a mut usize,
    pub(super) estimate: &'a mut Estimate,
}

impl<'de> Shape<'de> for Tools<'_> {
    fn expected(&self) -> Expected {
        Expected(self.name, "be a list")
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { dialect, count, estimate, .. } = self;
        while list.next_element_seed(Read(Tool(dialect, &mut *count, &mut *estimate)))?.is_some() {}
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        // Vertex AI takes one for a list of one.
        match self.dialect {
            Dialect::Gemini => Tool(self.dialect, self.count, self.estimate).object(object),
            _ => Err(self.expected().not("an object")),
        }
    }
}

struct Tool<'a>(Dialect, &'a mut usize, &'a mut Estimate);

impl<'de> Shape<'de> for Tool<'_> {
    fn expected(&self) -> Expected {
        Expected("a tool", "be an object")
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self(dialect, tools, estimate) = self;
        let (mut functions, mut is_group) = (0, false);
        while let Some(Key(key)) = object.next_key()? {
            estimate.text(&key);
            if dialect == Dialect::Gemini && matches!(&*key, "functionDeclarations" | "function_declarations")
            {
                is_group = true;
                object.next_value_seed(Read(Tools {
                    name: "`functionDeclarations`",
                    dialect,
                    count: &mut functions,
                    estimate,
                }))?;
            } else {
                object.next_value_seed(Read(Measure(estimate)))?;
            }
        }
        *tools += if is_group { functions } else { 1 };
        Ok(())
    }
}

/// Any value, of which the strings and keys count.
pub(super) struct Measure<'a>(pub(super) &'a mut Estimate);

impl<'de> Shape<'de> for Measure<'_> {
    const ANY_SCALAR: bool = true;

    fn expected(&self) -> Expected {
        Expected("it", "be a value")
    }

    fn string<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        self.0.text(&text);
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Read(Measure(&mut *self.0)))?.is_some() {}
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = object.next_key()? {
            self.0.text(&key);
            object.next_value_seed(Read(Measure(&mut *self.0)))?;
        }
        Ok(())
    }
}
