"""What leaves the tool for other programs: JUnit XML, Markdown for a CI job's summary, CSV."""
