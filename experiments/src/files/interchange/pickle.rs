//! The index of a `torch.save` file: a pickle of protocol 2, read without running anything.
//!
//! Pickle is a program for a stack machine that may call any Python function. This reader knows the
//! opcodes that a dict of tensors needs and the three functions `torch.save` calls in one; whatever
//! else a file asks for is an error. Sources: `pickletools` (`CPython`) for the opcodes,
//! `torch/serialization.py` (`persistent_id`) for the storages, `torch/_utils.py`
//! (`_rebuild_tensor_v2`) for the tensors.

mod value;

pub(super) use value::TensorEntry;

use std::collections::HashMap;
use std::rc::Rc;
use value::{Value, deepest};

/// The tensors of the entry `module`, by name; `Err` says at which byte what is wrong.
pub(super) fn module_tensors(bytes: &[u8]) -> Result<HashMap<Rc<str>, Rc<TensorEntry>>, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        memo: HashMap::new(),
    };
    let value = machine
        .run()
        .map_err(|problem| format!("index, byte {}: {problem}", machine.at))?;
    let Value::Dict(mut root, _) = value else {
        return Err("the index is no dict".to_owned());
    };
    let Some(Value::Dict(module, _)) = root.remove("module") else {
        return Err("the index has no dict `module`".to_owned());
    };
    let tensor = |(name, value)| match value {
        Value::Tensor(tensor) => Ok((name, tensor)),
        _ => Err(format!("`module` has an entry `{name}` that is no tensor")),
    };
    module.into_iter().map(tensor).collect()
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Value, String> {
        loop {
            let code = self.number::<1>()? as u8;
            match code {
                b'\x80' if self.number::<1>()? == 2 => {}
                b'.' => return self.pop(),
                b'(' => self.stack.push(Value::Mark),
                b'N' | b'\x88' | b'\x89' => self.stack.push(Value::Other),
                b'G' => {
                    self.take(8)?;
                    self.stack.push(Value::Other);
                }
                b'J' => {
                    let value = self.number::<4>()? as u32 as i32;
                    self.stack.push(Value::Int(value.into()));
                }
                b'K' => self.int::<1>()?,
                b'M' => self.int::<2>()?,
                b'\x8a' => self.long()?,
                b'X' => {
                    let text = self.text()?;
                    self.stack.push(Value::Text(text));
                }
                b'c' => self.global()?,
                b'}' => self.stack.push(Value::Dict(HashMap::new(), 1)),
                b')' => self.push_tuple(Vec::new())?,
                b'\x85'..=b'\x87' => {
                    let items = self.pop_many(usize::from(code - 0x84))?;
                    self.push_tuple(items)?;
                }
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push_tuple(items)?;
                }
                b's' => {
                    let items = self.pop_many(2)?;
                    self.set_items(items)?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set_items(items)?;
                }
                b'q' => self.put::<1>()?,
                b'r' => self.put::<4>()?,
                b'h' => self.get::<1>()?,
                b'j' => self.get::<4>()?,
                b'Q' => self.persistent()?,
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                other => {
                    return Err(format!(
                        "opcode {other:#04x} is not one that torch.save needs"
                    ));
                }
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self
            .at
            .checked_add(count)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("ends too early")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<u64, String> {
        Ok(little_endian(self.take(N)?))
    }

    fn int<const N: usize>(&mut self) -> Result<(), String> {
        let value = self.number::<N>()? as i64;
        self.stack.push(Value::Int(value));
        Ok(())
    }

    /// A signed integer of few bytes, as for more than 2^31 elements.
    fn long(&mut self) -> Result<(), String> {
        let count = self.number::<1>()? as usize;
        let bytes = self.take(count)?;
        if count > 7 || bytes.last().is_some_and(|byte| *byte > 127) {
            return Err("an integer is negative or beyond 2^55".to_owned());
        }
        let value = little_endian(bytes) as i64;
        self.stack.push(Value::Int(value));
        Ok(())
    }

    fn text(&mut self) -> Result<Rc<str>, String> {
        let count = self.number::<4>()? as usize;
        let text = std::str::from_utf8(self.take(count)?).map_err(|_| "text is not UTF-8")?;
        Ok(text.into())
    }

    fn line(&mut self) -> Result<&str, String> {
        let rest = &self.bytes[self.at..];
        let count = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or("ends too early")?;
        self.at += count + 1;
        std::str::from_utf8(&rest[..count]).map_err(|_| "a name is not UTF-8".to_owned())
    }

    fn global(&mut self) -> Result<(), String> {
        let module = self.line()?.to_owned();
        let value = Value::global(&module, self.line()?)?;
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack
            .pop()
            .ok_or_else(|| "takes from an empty stack".to_owned())
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let start = self
            .stack
            .len()
            .checked_sub(count)
            .ok_or("takes from an empty stack")?;
        Ok(self.stack.split_off(start))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self
            .stack
            .iter()
            .rposition(|value| matches!(value, Value::Mark));
        let items = self.stack.split_off(mark.ok_or("lacks a mark")? + 1);
        self.stack.pop();
        Ok(items)
    }

    fn push_tuple(&mut self, items: Vec<Value>) -> Result<(), String> {
        let depth = 1 + deepest(&items)?;
        self.stack.push(Value::Tuple(items.into(), depth));
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Value>) -> Result<(), String> {
        let inner = 1 + deepest(&items)?;
        let Some(Value::Dict(dict, depth)) = self.stack.last_mut() else {
            return Err("sets an item of something that is no dict".to_owned());
        };
        *depth = inner.max(*depth);
        let mut items = items.into_iter();
        while let Some(key) = items.next() {
            let (Value::Text(key), Some(value)) = (key, items.next()) else {
                return Err("a dict has a key that is no text, or no value to a key".to_owned());
            };
            dict.insert(key, value);
        }
        Ok(())
    }

    fn put<const N: usize>(&mut self) -> Result<(), String> {
        let index = self.number::<N>()? as u32;
        let value = match self.stack.last().ok_or("memorises from an empty stack")? {
            Value::Dict(..) => Value::Memoised,
            other => other.clone(),
        };
        self.memo.insert(index, value);
        Ok(())
    }

    fn get<const N: usize>(&mut self) -> Result<(), String> {
        let index = self.number::<N>()? as u32;
        let value = self
            .memo
            .get(&index)
            .ok_or("recalls what was never memorised")?
            .clone();
        if matches!(value, Value::Memoised) {
            return Err("uses one dict twice".to_owned());
        }
        self.stack.push(value);
        Ok(())
    }

    fn persistent(&mut self) -> Result<(), String> {
        let value = self.pop()?.storage()?;
        self.stack.push(value);
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let value = self.pop()?.call(&arguments)?;
        self.stack.push(value);
        Ok(())
    }

    /// Attributes of an `OrderedDict`, as the `_metadata` of `Module.state_dict()`: dropped.
    fn build(&mut self) -> Result<(), String> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(..)) => Ok(()),
            _ => Err("sets attributes of something that is no dict".to_owned()),
        }
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}
