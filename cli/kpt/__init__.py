"""The command ``kpt``: each command parses, calls one public function of kptdata, and prints."""
