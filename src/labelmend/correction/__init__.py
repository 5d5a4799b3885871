"""Hard sample selection and label correction, section 3.3 of the paper: anchors -> votes."""
