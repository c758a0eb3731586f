use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// Refuses a library in the format ELF that was cut off. The loader would map its missing end into memory all the same, and
/// the first look at it ends the process.
///
/// Of what is wrong in another way, or in another format, the loader says so itself.
pub(super) fn check(library: &Path) -> io::Result<()> {
    let mut file = File::open(library)?;
    let length = file.metadata()?.len();
    match end(&mut file) {
        Ok(end) if end > length => {
            Err(io::Error::other(format!("it was cut off: it has {length} bytes, and should have {end}")))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(io::Error::other(format!("it was cut off: it has {length} bytes")))
        }
        checked => checked.map(drop),
    }
}

/// Up to where the parts of it reach that are mapped into memory; 0 of what is not ELF in 64 bits, least byte first.
fn end(file: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut header = [0; 64];
    file.read_exact(&mut header)?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return Ok(0);
    }
    let [start, size, count] = [(32, 8), (54, 2), (56, 2)].map(|(at, width)| number(&header[at..][..width]));
    file.seek(SeekFrom::Start(start))?;
    let mut end = 0;
    let mut entry = vec![0; (size as usize).max(56)];
    for _ in 0..count {
        file.read_exact(&mut entry)?;
        let [offset, length] = [8, 32].map(|at| number(&entry[at..][..8]));
        end = end.max(offset.saturating_add(length));
    }
    Ok(end)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A header, and two parts, of which the second ends at 200.
    fn elf() -> Vec<u8> {
        let mut file = vec![0; 200];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (file[32], file[54], file[56]) = (64, 56, 2);
        // Offset and length.
        (file[64 + 8], file[64 + 32]) = (0, 100);
        (file[120 + 8], file[120 + 32]) = (150, 50);
        file
    }

    fn said(content: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("library");
        fs::write(&file, content).unwrap();
        check(&file).err().map(|error| error.to_string())
    }

    #[test]
    fn a_whole_library_is_let_pass_and_a_part_of_it_is_not() {
        assert_eq!(said(&elf()), None);
        for length in 0..200 {
            let expected = if length < 176 { "" } else { ", and should have 200" };
            assert_eq!(
                said(&elf()[..length]),
                Some(format!("it was cut off: it has {length} bytes{expected}"))
            );
        }
    }

    #[test]
    fn another_format_is_left_to_the_loader() {
        assert_eq!(said(&[1; 64]), None);
    }

    #[test]
    fn a_part_beyond_all_numbers_is_beyond_the_end() {
        let mut file = elf();
        file[120 + 8..][..8].fill(0xff);
        assert!(said(&file).unwrap().ends_with(&format!("should have {}", u64::MAX)));
    }
}
