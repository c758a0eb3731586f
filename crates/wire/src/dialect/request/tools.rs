use std::borrow::Cow;

use serde::de::{Error, MapAccess, SeqAccess};

use super::{
    shape::{Expected, Key, Read, Shape},
    text::Estimate,
};

/// `tools`: a list, whose elements (Gemini) may hold lists of functions.
pub(super) struct Tools<'a>(pub(super) &'static str, pub(super) &'a mut usize, pub(super) &'a mut Estimate);

impl<'de> Shape<'de> for Tools<'_> {
    fn expected(&self) -> Expected {
        Expected(self.0, "be a list")
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Read(Tool(&mut *self.1, &mut *self.2)))?.is_some() {}
        Ok(())
    }
}

struct Tool<'a>(&'a mut usize, &'a mut Estimate);

impl<'de> Shape<'de> for Tool<'_> {
    fn expected(&self) -> Expected {
        Expected("a tool", "be an object")
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let (mut functions, mut is_group) = (0, false);
        while let Some(Key(key)) = object.next_key()? {
            self.1.text(&key);
            if matches!(&*key, "functionDeclarations" | "function_declarations") {
                is_group = true;
                object.next_value_seed(Read(Tools("`functionDeclarations`", &mut functions, self.1)))?;
            } else {
                object.next_value_seed(Read(Measure(self.1)))?;
            }
        }
        *self.0 += if is_group { functions } else { 1 };
        Ok(())
    }
}

/// Any value, of which the strings and keys count.
pub(super) struct Measure<'a>(pub(super) &'a mut Estimate);

impl<'de> Shape<'de> for Measure<'_> {
    fn expected(&self) -> Expected {
        Expected("it", "be a value")
    }

    fn boolean<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn number<E: Error>(self, _: Option<u64>) -> Result<(), E> {
        Ok(())
    }

    fn fraction<E: Error>(self) -> Result<(), E> {
        Ok(())
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
