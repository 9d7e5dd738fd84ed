"""Import name of the schema files in `schemas/`: data, one TOML file per keypoint schema."""
