//! As much of the format ONNX, which is protobuf, as writes a model of one step.

/// What a model does to its input.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// Looks each token up in a table of so many rows, with one number more in each than in the one before.
    Gather { rows: usize, columns: usize },
    /// The same, with the table in another file, of which there is one: tests run in the crate's folder.
    GatherFrom { file: &'static str },
    /// Makes it `f32`.
    Cast,
}

/// The types of numbers.
pub(crate) const F32: u64 = 1;
pub(crate) const I64: u64 = 7;

/// A model with this input, of two dimensions, and the output `states`.
pub(crate) fn model(input: &str, numbers: u64, step: Step) -> Vec<u8> {
    let (node, table, dimensions): (_, _, &[Option<usize>]) = match step {
        Step::Gather { rows, columns } => {
            let node = [text(1, "table"), text(1, input), text(2, "states"), text(4, "Gather")].concat();
            let values =
                (0..rows).flat_map(|row| (0..columns).map(move |column| (row * 7 + column) as f32 - 5.0));
            let values: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
            let shape = [number(1, rows as u64), number(1, columns as u64)].concat();
            let table = [shape, number(2, F32), text(8, "table"), field(9, &values)].concat();
            (node, field(5, &table), &[None, None, Some(columns)])
        }
        Step::GatherFrom { file } => {
            let node = [text(1, "table"), text(1, input), text(2, "states"), text(4, "Gather")].concat();
            let shape = [number(1, 5), number(1, 3)].concat();
            let place = field(13, &[text(1, "location"), text(2, file)].concat());
            let table = [shape, number(2, F32), text(8, "table"), place, number(14, 1)].concat();
            (node, field(5, &table), &[None, None, Some(3)])
        }
        Step::Cast => {
            let to = [text(1, "to"), number(3, F32), number(20, 2)].concat();
            let node = [text(1, input), text(2, "states"), text(4, "Cast"), field(5, &to)].concat();
            (node, Vec::new(), &[None, None])
        }
    };
    let graph = [
        field(1, &node),
        text(2, "a graph"),
        table,
        field(11, &value(input, numbers, &[None, None])),
        field(12, &value("states", F32, dimensions)),
    ];
    let operators = [text(1, ""), number(2, 17)].concat();
    [number(1, 8), field(7, &graph.concat()), field(8, &operators)].concat()
}

fn value(name: &str, numbers: u64, dimensions: &[Option<usize>]) -> Vec<u8> {
    let dimension = |(index, size): (usize, &Option<usize>)| {
        field(1, &size.map_or_else(|| text(2, &format!("any{index}")), |size| number(1, size as u64)))
    };
    let shape: Vec<u8> = dimensions.iter().enumerate().flat_map(dimension).collect();
    let tensor = [number(1, numbers), field(2, &shape)].concat();
    [text(1, name), field(2, &field(1, &tensor))].concat()
}

fn text(tag: u8, text: &str) -> Vec<u8> {
    field(tag, text.as_bytes())
}

fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    [varint(u64::from(tag) << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn number(tag: u8, number: u64) -> Vec<u8> {
    [varint(u64::from(tag) << 3), varint(number)].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
