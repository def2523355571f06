SELECT o.* FROM outputs AS o JOIN wanted AS w USING (path) WHERE o.output_path = $output_path;
