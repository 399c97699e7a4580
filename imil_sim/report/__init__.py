"""What a study says: metrics, tables and pictures, read from records; never trains and never loads torch."""
