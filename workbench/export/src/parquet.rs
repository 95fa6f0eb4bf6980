//! The long table as Parquet, compressed with Zstandard: the columns of the CSV, with types.

use crate::ExportError;
use crate::source::{Run, Source};
use crate::table::{OF_RUN, Table, axis_number, axis_text};
use logs::output;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Rows of a row group: runs are put together until they have as many.
const GROUP: usize = 100_000;
const ZSTD_LEVEL: i32 = 3;

/// Writes the file at `path`, at once or not at all. Texts are UTF-8, `seed` and `step` 64-bit integers, axes of numbers and signals
/// 64-bit floats; what was not recorded is null, and what is not finite stays what it is.
pub fn parquet(source: &Source, path: &Path) -> Result<(), ExportError> {
    let table = Table::new(source);
    Ok(output::fill(path, |file| {
        fill(&table, file).map_err(into_io)
    })?)
}

/// A full disk stays one.
fn into_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

fn fill(table: &Table<'_>, file: &mut File) -> Result<(), ParquetError> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?);
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let schema = Arc::new(schema(table)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let mut rest = table.runs.as_slice();
    while !rest.is_empty() {
        let (group, behind) = rest.split_at(runs_of_group(rest));
        rest = behind;
        let mut columns = writer.next_row_group()?;
        write_group(table, group, &mut columns)?;
        columns.close()?;
    }
    writer.close()?;
    Ok(())
}

/// How many runs make a row group: as many as reach [`GROUP`].
fn runs_of_group(runs: &[Run<'_>]) -> usize {
    let mut rows = 0;
    let fitting = runs.iter().take_while(|run| {
        let fits = rows < GROUP;
        rows += run.len();
        fits
    });
    fitting.count()
}

fn schema(table: &Table<'_>) -> Result<Type, ParquetError> {
    let [run, arm, seed, outcome] = OF_RUN;
    let mut fields = vec![
        text(run)?,
        text(arm)?,
        field(seed, Physical::INT64)?,
        text(outcome)?,
    ];
    for (key, is_number) in &table.axes {
        fields.push(if *is_number {
            field(key, Physical::DOUBLE)?
        } else {
            text(key)?
        });
    }
    fields.push(field("step", Physical::INT64)?);
    for name in &table.signals {
        fields.push(field(name, Physical::DOUBLE)?);
    }
    let fields = fields.into_iter().map(Arc::new).collect();
    Type::group_type_builder("schema")
        .with_fields(fields)
        .build()
}

fn field(name: &str, physical: Physical) -> Result<Type, ParquetError> {
    let builder = Type::primitive_type_builder(name, physical);
    builder.with_repetition(Repetition::OPTIONAL).build()
}

fn text(name: &str) -> Result<Type, ParquetError> {
    let builder = Type::primitive_type_builder(name, Physical::BYTE_ARRAY);
    builder
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::String))
        .build()
}

/// The columns of some runs, in the order of the schema.
fn write_group<W: io::Write + Send>(
    table: &Table<'_>,
    runs: &[Run<'_>],
    out: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<(), ParquetError> {
    let words = |text: String| Some(ByteArray::from(text.as_str()));
    column::<ByteArrayType, _>(out, per_run(runs, |run| words(run.id.to_owned())))?;
    column::<ByteArrayType, _>(out, per_run(runs, |run| words(run.arm.to_owned())))?;
    let seed = |run: &Run<'_>| run.seed.and_then(|seed| i64::try_from(seed).ok());
    column::<Int64Type, _>(out, per_run(runs, seed))?;
    column::<ByteArrayType, _>(out, per_run(runs, |run| words(run.outcome.clone())))?;
    for (key, is_number) in &table.axes {
        if *is_number {
            column::<DoubleType, _>(out, per_run(runs, |run| axis_number(run, key)))?;
        } else {
            column::<ByteArrayType, _>(out, per_run(runs, |run| words(axis_text(run, key))))?;
        }
    }
    let steps = runs.iter().flat_map(|run| run.reader.steps(0..run.len()));
    let steps = steps.map(|step| i64::try_from(step).ok());
    column::<Int64Type, _>(out, steps.collect())?;
    for name in &table.signals {
        let mut values = Vec::new();
        for run in runs {
            values.extend(run.column(name).iter());
        }
        column::<DoubleType, _>(out, values)?;
    }
    Ok(())
}

/// A value of a run for each of its records.
fn per_run<T: Clone>(runs: &[Run<'_>], value: impl Fn(&Run<'_>) -> Option<T>) -> Vec<Option<T>> {
    let of = |run: &Run<'_>| std::iter::repeat_n(value(run), run.len());
    runs.iter().flat_map(of).collect()
}

fn column<D: DataType, W: io::Write + Send>(
    out: &mut SerializedRowGroupWriter<'_, W>,
    cells: Vec<Option<D::T>>,
) -> Result<(), ParquetError> {
    let Some(mut column) = out.next_column()? else {
        return Err(ParquetError::General(
            "more columns than the schema has".to_owned(),
        ));
    };
    let present: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<D::T> = cells.into_iter().flatten().collect();
    column
        .typed::<D>()
        .write_batch(&values, Some(&present), None)?;
    column.close()
}
