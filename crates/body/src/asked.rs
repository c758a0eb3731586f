use http::Method;

/// What the end of an answer's body depends on, of its request's method: one byte to keep, where a method takes 24.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// With `HEAD`: no answer has a body.
    Head,
    /// With `CONNECT`: what follows a success is not a body.
    Connect,
    /// With any other.
    Other,
}

impl From<&Method> for Asked {
    fn from(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }
}
