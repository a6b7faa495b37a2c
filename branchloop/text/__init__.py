"""Every word that people read, in the languages of the house."""
