"""The paper's published figures (`published`), and runs compared with them (`comparison`)."""
