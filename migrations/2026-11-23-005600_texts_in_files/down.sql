DROP VIEW invariant_i42_files_say_what_is_kept;
DROP TABLE text_in_file;
