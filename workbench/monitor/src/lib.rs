//! workbench-monitor
