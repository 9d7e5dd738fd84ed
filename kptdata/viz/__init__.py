"""Drawing: schemas, annotations, targets and predictions as pictures."""
