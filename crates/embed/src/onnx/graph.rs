use ort::{
    logging::LogLevel,
    session::Session,
    value::{Outlet, Tensor, TensorElementType},
};

use super::runtime::{OnnxRuntime, caught};
use crate::load_error::Unfit;

/// The layers of a BERT as an ONNX file has them: from the numbers of a text's tokens to their states.
#[derive(Debug)]
pub(super) struct Graph {
    session: Session,
    inputs: Vec<Input>,
    /// The name of the states.
    output: String,
}

/// What a BERT asks of each token.
#[derive(Clone, Copy, Debug)]
enum Input {
    /// Its number.
    Number,
    /// Whether it is one: there is no padding, so always.
    Present,
    /// In which of two texts it stands: there is but one.
    Segment,
}

impl Input {
    const ALL: [Self; 3] = [Self::Number, Self::Present, Self::Segment];

    fn name(self) -> &'static str {
        match self {
            Self::Number => "input_ids",
            Self::Present => "attention_mask",
            Self::Segment => "token_type_ids",
        }
    }

    fn of(outlet: &Outlet) -> Result<Self, Unfit> {
        let known = Self::ALL.into_iter().find(|input| input.name() == outlet.name());
        match known {
            Some(input) if is_tensor(outlet, TensorElementType::Int64, 2) => Ok(input),
            Some(_) => Err(Unfit(format!(
                "{} is {}, and two dimensions of i64 were expected",
                outlet.name(),
                outlet.dtype()
            ))),
            None => Err(Unfit(format!("it asks for {}, which is not known", outlet.name()))),
        }
    }
}

impl Graph {
    pub(super) fn new(runtime: &OnnxRuntime, file: &[u8]) -> Result<Self, Unfit> {
        let session = caught(|| session(runtime, file))?;
        let inputs = session.inputs().iter().map(Input::of).collect::<Result<Vec<_>, _>>()?;
        if !inputs.iter().any(|input| matches!(input, Input::Number)) {
            return Err(Unfit("it does not ask for input_ids".into()));
        }
        let states = session.outputs().iter().find(|outlet| is_tensor(outlet, TensorElementType::Float32, 3));
        let Some(states) = states else {
            let outputs: Vec<_> = session
                .outputs()
                .iter()
                .map(|outlet| format!("{} {}", outlet.name(), outlet.dtype()))
                .collect();
            let outputs = outputs.join(", ");
            return Err(Unfit(format!(
                "it makes no states of tokens, three dimensions of f32, but {outputs}"
            )));
        };
        Ok(Self { output: states.name().to_owned(), inputs, session })
    }

    /// The states of a text's tokens one after the other, and how long each is.
    pub(super) fn states(&mut self, numbers: Vec<i64>) -> Result<(Vec<f32>, usize), Unfit> {
        let tokens = numbers.len();
        let failed = |error: ort::Error| Unfit(error.to_string());
        let tensor = |input: &Input| {
            let values = match input {
                Input::Number => numbers.clone(),
                Input::Present => vec![1; tokens],
                Input::Segment => vec![0; tokens],
            };
            Ok((input.name(), Tensor::from_array(([1, tokens], values))?.into_dyn()))
        };
        let values = self.inputs.iter().map(tensor).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let outputs = self.session.run(values).map_err(failed)?;
        let (shape, states) = outputs[&*self.output].try_extract_tensor::<f32>().map_err(failed)?;
        match **shape {
            [1, count, dimensions] if count as usize == tokens && dimensions > 0 => {
                Ok((states.to_vec(), dimensions as usize))
            }
            _ => Err(Unfit(format!("{} is {shape}, and there are {tokens} tokens", self.output))),
        }
    }
}

fn session(runtime: &OnnxRuntime, file: &[u8]) -> Result<Session, ort::Error> {
    Session::builder(&runtime.environment)?
        .with_log_level(LogLevel::Warning)?
        .with_intra_threads(runtime.threads.get())?
        // A thread that waits for the next text must not take a core from others.
        .with_intra_op_spinning(false)?
        // Weights in other files would be looked for where the process happens to be, and their hash would be in no id.
        .with_config_entry("session.model_external_initializers_file_folder_path", "/dev/null")?
        .commit_from_memory(file)
}

fn is_tensor(outlet: &Outlet, numbers: TensorElementType, dimensions: usize) -> bool {
    let dtype = outlet.dtype();
    dtype.tensor_type() == Some(numbers)
        && dtype.tensor_shape().is_some_and(|shape| shape.len() == dimensions)
}
