//! workbench-report
