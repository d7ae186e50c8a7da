"""The mathematics of the judge (docs/judge.md). Pure: numbers in, intervals out."""
